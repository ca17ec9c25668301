"""What the local server takes: for cells in many sessions at once, and for a new session.

Each session has a client of its own that waits for the end of a cell before it sends the next; all
clients share one event loop. Those of the server are the kernel's, those of the gateway tornado's
WebSocket, as in Jupyter Server. The sessions are there, and have run a cell, before the clock
starts.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path

import httpx
from jupyter_client.session import Session
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from benchmarks.process import IPYKERNEL, start
from benchmarks.table import Row
from tci_kernel.client.client import TCIClient
from tests.clients.jupyter_server import TOKEN, serving_jupyter
from tests.support.servers import ServerProcess, serving

SESSIONS = 20
CELLS = 2_000  # in all sessions together

# Sessions in which a cell runs at any moment.
LOADS = (1, 20, 200)
CODE = "print(6 * 7)"

# Seconds after which a server has its spare interpreter.
WARM_UP = 3.0

TIMEOUT = 60.0

Cell = Callable[[], Awaitable[str]]


def cells_ours() -> float:
    """Cells a second at the local server."""
    with serving("--max-sessions", str(SESSIONS)) as server:
        return asyncio.run(_cells_ours(server))


async def _cells_ours(server: ServerProcess) -> float:
    async with AsyncExitStack() as stack:
        return await _rate([await _session(server, stack) for _ in range(SESSIONS)])


async def _session(server: ServerProcess, stack: AsyncExitStack) -> Cell:
    """Begin a session; gives what runs a cell in it."""
    client = TCIClient(base_url=server.base_url, api_key=server.token)
    stack.push_async_callback(client.aclose)
    session_id = (await client.execute(CODE)).session_id

    async def cell() -> str:
        ran = await client.execute(CODE, session_id)
        return "".join(output.data for output in ran.outputs)

    return cell


def cells_gateway() -> float:
    """Cells a second at a Jupyter Kernel Gateway."""
    command = ("kernel_gateway", f"--KernelGatewayApp.auth_token={TOKEN}")
    with (
        tempfile.TemporaryDirectory() as home,
        serving_jupyter(*command, home=Path(home), environment={}) as address,
    ):
        return asyncio.run(_cells_gateway(address))


async def _cells_gateway(address: str) -> float:
    headers = {"Authorization": f"token {TOKEN}"}
    async with (
        httpx.AsyncClient(
            base_url=f"http://{address}/api", headers=headers, timeout=TIMEOUT, trust_env=False
        ) as http,
        AsyncExitStack() as stack,
    ):

        async def session() -> Cell:
            kernel = (await http.post("/kernels", json={"name": "python3"})).json()["id"]
            url = f"ws://{address}/api/kernels/{kernel}/channels"
            channels = await websocket_connect(HTTPRequest(url, headers=headers))
            stack.callback(channels.close)
            protocol = Session()

            async def cell() -> str:
                return await _run(channels, protocol)

            return cell

        return await _rate([await session() for _ in range(SESSIONS)])


async def _run(channels: WebSocketClientConnection, protocol: Session) -> str:
    """Run a cell; gives what it printed, when its reply and its end are there."""
    content = {"code": CODE, "silent": False, "store_history": True, "allow_stdin": False}
    request = protocol.msg("execute_request", content)
    await channels.write_message(json.dumps({**request, "channel": "shell"}, default=str))
    printed, is_answered, is_idle = "", False, False
    while not (is_answered and is_idle):
        message = json.loads(await channels.read_message() or "")
        if message["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            content = message["content"]
            printed += content["text"] if message["msg_type"] == "stream" else ""
            is_answered = is_answered or message["msg_type"] == "execute_reply"
            is_idle = is_idle or content.get("execution_state") == "idle"
    return printed


async def _load(count: int) -> tuple[float, float]:
    """Cells a second in so many sessions at once, and the seconds that 99 of 100 take at most."""
    latencies: list[float] = []
    with serving("--max-sessions", str(count)) as server:
        async with AsyncExitStack() as stack:
            cells = [await _session(server, stack) for _ in range(count)]

            def timed(cell: Cell) -> Cell:
                async def run() -> str:
                    begin = time.perf_counter()
                    printed = await cell()
                    latencies.append(time.perf_counter() - begin)
                    return printed

                return run

            rate = await _rate([timed(cell) for cell in cells])
    return rate, statistics.quantiles(latencies[count:], n=100)[-1]


def load() -> Iterator[Row]:
    """The rows of more and more sessions, each of which runs one cell after another."""
    for count in LOADS:
        rate, latency = asyncio.run(_load(count))
        what = f"local server: {count} {'session' if count == 1 else 'sessions'} at once"
        yield Row(what, partial(float, rate), unit="cells/s", rounds=1)
        yield Row(f"{what}: the 99th percentile of a cell", partial(float, latency), rounds=1)


async def _rate(sessions: list[Cell]) -> float:
    """Cells a second, run in all sessions at once."""

    async def work(cell: Cell, count: int) -> None:
        for _ in range(count):
            # ipykernel may add that its database of cells is locked by another kernel.
            assert (await cell()).endswith("42\n")

    await asyncio.gather(*(work(cell, 1) for cell in sessions))
    begin = time.perf_counter()
    await asyncio.gather(*(work(cell, CELLS // len(sessions)) for cell in sessions))
    return CELLS / (time.perf_counter() - begin)


def new_session() -> float:
    """Seconds for the first cell of a new session, at a local server that runs for a while."""
    with serving() as server:
        return asyncio.run(_new_session(server))


async def _new_session(server: ServerProcess) -> float:
    async with aclosing(TCIClient(base_url=server.base_url, api_key=server.token)) as client:
        await client.sessions()
        await asyncio.sleep(WARM_UP)
        begin = time.perf_counter()
        await client.execute(CODE)
        return time.perf_counter() - begin


def sessions(_server: ServerProcess) -> Iterator[Row]:
    """The rows of the local server. Each measurement starts its own."""
    yield Row(
        f"local server: {SESSIONS} sessions, {CELLS:,} cells",
        cells_ours,
        2.0,
        "Kernel Gateway",
        cells_gateway,
        "cells/s",
        most=True,
    )
    yield from load()
    yield Row(
        "new session at the local server, warm",
        new_session,
        0.1,
        IPYKERNEL,
        partial(start, IPYKERNEL),
    )
