"""What a kernel takes: to start, to run cells, to pass on what they show, and to hold in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks.process import BARE, IPYKERNEL, KernelProcess, start, started
from benchmarks.table import Row
from tests.support.comms import ECHO
from tests.support.servers import ServerProcess

# How often a kernel is started for a row; a start varies by a third.
STARTS = 20

BIG = "display({'text/plain': 'x' * 50_000_000}, raw=True)"
PRINTS = "for i in range(100_000): print(i)"
DISPLAYS = "for i in range(2_000): display(i)"

# What is run, the goal, and how often.
CELLS = {
    "a `pass` cell": ("pass", 1.8, 200),
    "50 MB in one display": (BIG, 1.6, 10),
    "100,000 short prints": (PRINTS, 1.3, 10),
    "2,000 displays in one cell": (DISPLAYS, 1.1, 10),
}


def remote(server: ServerProcess) -> dict[str, str]:
    """The environment in which the kernel `tci` uses a server."""
    return {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}


def first_cell(name: str) -> float:
    """Seconds from the process's start to the end of its first cell."""
    with started(name) as kernel:
        kernel.run("pass")
        return kernel.age


def held(name: str, **environment: str) -> float:
    """Megabytes after the start."""
    with started(name, **environment) as kernel:
        return kernel.memory


def held_by_all(name: str) -> float:
    """Megabytes of a kernel with all its processes, once it has run a cell."""
    with started(name) as kernel:
        kernel.run("pass")
        return kernel.memory_of_all


def lag(kernel: KernelProcess) -> float:
    """Seconds from the first print of a cell, which goes on running, to its arrival."""
    code = "import time\nprint(time.time(), flush=True)\ntime.sleep(0.3)"
    arrived = 0.0
    for message in kernel.messages(code):
        if message["header"]["msg_type"] == "stream":
            arrived = arrived or time.time() - float(message["content"]["text"])
    return arrived


def echo(kernel: KernelProcess) -> Callable[[], float]:
    """Measures how long a message to code in the kernel takes, with its answer."""
    kernel.run(ECHO)
    kernel.open_comm("c", "echo")
    return partial(kernel.say, "c", {"value": 1})


def peak(name: str, code: str, **environment: str) -> float:
    """Megabytes at most, while code runs."""
    with started(name, **environment) as kernel:
        kernel.run(code)
        return kernel.peak


def starts(server: ServerProcess) -> Iterator[Row]:
    """The rows of a kernel's start."""
    tci = remote(server)
    for against, goal in ((IPYKERNEL, 0.75), (BARE, None)):
        yield Row(
            "process start to `kernel_info_reply`, `tci`",
            partial(start, "tci", **tci),
            goal,
            against,
            partial(start, against),
            rounds=STARTS,
        )
    yield Row(
        "process start to the end of the first cell, `tci-local`",
        partial(first_cell, "tci-local"),
        1.5,
        IPYKERNEL,
        partial(first_cell, IPYKERNEL),
    )
    for against, goal in ((IPYKERNEL, 0.65), (BARE, None)):
        yield Row(
            "memory after the start, `tci`",
            partial(held, "tci", **tci),
            goal,
            against,
            partial(held, against),
            "MB",
        )


def cells(server: ServerProcess) -> Iterator[Row]:
    """The rows of cells."""
    with ExitStack() as stack:
        local = stack.enter_context(started("tci-local"))
        theirs = stack.enter_context(started(IPYKERNEL))
        for kernel in (local, theirs):
            kernel.run("pass")
        for what, (code, goal, rounds) in CELLS.items():
            yield Row(
                f"{what}, `tci-local`",
                partial(local.run, code),
                goal,
                IPYKERNEL,
                partial(theirs.run, code),
                rounds=rounds,
            )
        yield Row(
            "from the first print of a running cell to its arrival, `tci-local`",
            partial(lag, local),
            0.005,
            IPYKERNEL,
            partial(lag, theirs),
            difference=True,
        )
        yield Row(
            "a widget's message and its answer, `tci-local`",
            echo(local),
            2.0,
            IPYKERNEL,
            echo(theirs),
            rounds=100,
        )
    yield Row(
        "memory of all processes after a cell, `tci-local`",
        partial(held_by_all, "tci-local"),
        1.9,
        IPYKERNEL,
        partial(held_by_all, IPYKERNEL),
        "MB",
    )
    yield Row(
        "peak memory during the 50 MB display, `tci`",
        partial(peak, "tci", BIG, **remote(server)),
        1.3,
        IPYKERNEL,
        partial(peak, IPYKERNEL, BIG),
        "MB",
    )
