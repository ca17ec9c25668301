"""Prints how the local server compares: in cells with Kernel Gateway, in starts with ipykernel.

The cells run in sessions side by side, each from a client of its own that waits for the end of a
cell before it sends the next. All clients share one event loop; those of the server use httpx, as
the kernel does, those of the gateway tornado's WebSocket, as Jupyter Server does. The sessions are
there, and have run a cell, before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_client.session import Session
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.clients.jupyter_server import TOKEN, serving_jupyter
from tests.support.servers import serving

ROUNDS = 5
SESSIONS = 20
CELLS = 2_000  # in all sessions together
CODE = "print(6 * 7)"

# Seconds after which a server has its spare interpreter.
WARM_UP = 3.0

TIMEOUT = 60.0

Cell = Callable[[], Awaitable[str]]


def cells_ours() -> float:
    """Cells a second at the local server."""
    with serving("--max-sessions", str(SESSIONS)) as server:
        return asyncio.run(_cells_ours(server.base_url, server.headers))


async def _cells_ours(base_url: str, headers: dict[str, str]) -> float:
    async with httpx.AsyncClient(
        base_url=base_url, headers=headers, timeout=TIMEOUT, trust_env=False
    ) as http:

        async def session() -> Cell:
            body = {"language": "python", "code": CODE}

            async def cell() -> str:
                answer = await http.post("/tci/execute", json=body)
                data = answer.raise_for_status().json()["data"]
                body["session_id"] = data["session_id"]
                return "".join(output["data"] for output in data["outputs"])

            return cell

        return await _rate([await session() for _ in range(SESSIONS)])


def cells_gateway() -> float:
    """Cells a second at a Jupyter Kernel Gateway."""
    command = ("kernelgateway", f"--KernelGatewayApp.auth_token={TOKEN}")
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
    with (
        serving() as server,
        httpx.Client(
            base_url=server.base_url, headers=server.headers, timeout=TIMEOUT, trust_env=False
        ) as http,
    ):
        http.get("/tci/sessions").raise_for_status()
        time.sleep(WARM_UP)
        begin = time.perf_counter()
        http.post("/tci/execute", json={"language": "python", "code": CODE}).raise_for_status()
        return time.perf_counter() - begin


def ipykernel_start() -> float:
    """Seconds from the start of ipykernel's process to its first reply."""
    manager = KernelManager(kernel_name="python3")
    begin = time.perf_counter()
    # It would warn on stderr that its loopback sockets are not encrypted.
    manager.start_kernel(stderr=subprocess.DEVNULL)
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    try:
        client.kernel_info(reply=True, timeout=TIMEOUT)
        return time.perf_counter() - begin
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _medians(*measures: Callable[[], float]) -> list[float]:
    """Medians of measurements in alternation."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(results) for results in zip(*rounds, strict=True)]


def main() -> None:
    """Measure, and print a row for each comparison."""
    print(f"Medians of {ROUNDS}")
    ours, theirs = _medians(cells_ours, cells_gateway)
    print(f"cells a second: local server {ours:.0f}, gateway {theirs:.0f}: {ours / theirs:.2f}")
    ours, theirs = (1000 * seconds for seconds in _medians(new_session, ipykernel_start))
    print(f"ms: new session {ours:.1f}, ipykernel's start {theirs:.1f}: {ours / theirs:.3f}")


if __name__ == "__main__":
    main()
