"""What one request takes: by the kernel, by its client, by bare httpx, by the vendor's client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import together

from benchmarks.kernels import remote
from benchmarks.process import BARE, IPYKERNEL, started
from benchmarks.table import Row
from tci_kernel.client.client import TCIClient
from tests.support.counting import EXTENSIONS, counted
from tests.support.servers import ServerProcess

# How often a request is made for a row.
REQUESTS = 200

# What a session holds that is asked about, and what is asked.
CELL = "import os, json\nclass Thing:\n    'A thing.'\n    attribute = 1\nthing = Thing()"
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("completing `thing.attr`", "complete_request", {"code": "thing.attr", "cursor_pos": 10}),
    ("completing `os.`", "complete_request", {"code": "os.", "cursor_pos": 3}),
    ("inspecting `Thing`", "inspect_request", {"code": "Thing", "cursor_pos": 5}),
    ("is_complete", "is_complete_request", {"code": "for i in x:"}),
]


def cell(server: ServerProcess) -> Iterator[Row]:
    """The row of a cell through the kernel and of the same request by bare httpx."""
    with (
        started("tci", **remote(server)) as kernel,
        started(BARE) as bare,
        httpx.Client(headers=server.headers, timeout=60) as client,
    ):
        kernel.run("pass")
        # The session is the newest one; a session answers the same to everybody.
        session = client.get(f"{server.base_url}/tci/sessions").json()["data"]["sessions"][-1]
        body = {"language": "python", "code": "pass", "session_id": session["id"]}

        def post() -> None:
            client.post(f"{server.base_url}/tci/execute", json=body).raise_for_status()

        yield Row(
            "a `pass` cell, `tci`, less the same POST",
            partial(kernel.run, "pass"),
            0.002,
            "bare httpx, connection kept",
            partial(taken, post),
            difference=True,
            rounds=REQUESTS,
        )
        yield Row("the same cell, `bare`", partial(bare.run, "pass"), rounds=REQUESTS)


def clients(server: ServerProcess) -> Iterator[Row]:
    """The row of the kernel's client and of the vendor's."""
    ours = TCIClient(base_url=server.base_url, api_key=server.token)
    theirs = together.Together(api_key=server.token, base_url=server.base_url).code_interpreter
    run = partial(theirs.execute, code="pass", language="python")
    with asyncio.Runner() as runner:
        wait = runner.get_loop().run_until_complete  # the runner's own minds signals each time
        mine = wait(ours.execute("pass")).session_id
        data = run().data
        assert data is not None
        yield Row(
            "`pass` by the kernel's client",
            partial(taken, lambda: wait(ours.execute("pass", mine))),
            1.0,
            f"together {together.__version__}",
            partial(taken, partial(run, session_id=data.session_id)),
            rounds=REQUESTS,
        )
        wait(ours.aclose())


def requests(server: ServerProcess) -> Iterator[Row]:
    """The rows of what is sent to a service that has no more than the contract: it may cost."""
    with (
        counted(server.base_url, without=EXTENSIONS) as proxy,
        started("tci", **remote(server) | {"TOGETHER_BASE_URL": proxy.base_url}) as kernel,
    ):

        def sent(action: Callable[[], object]) -> float:
            proxy.taken()
            action()
            return len(proxy.taken())

        complete = partial(
            kernel.request, "complete_request", code="import os; os.pa", cursor_pos=16
        )

        def begin() -> None:
            kernel.run("pass")
            time.sleep(1)  # the list of sessions is asked for beside it

        for what, action, goal in (
            ("opening a notebook", kernel.settle, 0),
            ("completion without a session", complete, 0),
            ("the first cell, which begins a session", begin, None),
            ("a cell", partial(kernel.run, "pass"), 1),
        ):
            yield Row(f"HTTP requests: {what}", partial(sent, action), goal, unit="", rounds=1)


def assistance(server: ServerProcess) -> Iterator[Row]:
    """The rows of what a user waits for while typing."""
    with (
        started("tci", **remote(server)) as ours,
        started(IPYKERNEL) as theirs,
    ):
        for kernel in (ours, theirs):
            kernel.run(CELL)
        for what, kind, content in ASKED:
            yield Row(
                f"{what}, `tci`",
                partial(ours.request, kind, **content),
                None,
                IPYKERNEL,
                partial(theirs.request, kind, **content),
                rounds=50,
            )


def taken(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
