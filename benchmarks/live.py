"""What a cell shows while it runs, and what that costs: live, directly, and in ipykernel.

Each row is measured beside the service and with a network between that takes a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks.kernels import BIG, DISPLAYS, PRINTS, echo, lag, remote
from benchmarks.process import IPYKERNEL, started
from benchmarks.table import Row
from tests.support.counting import EXTENSIONS, counted
from tests.support.gateway import Gateway, delayed
from tests.support.servers import ServerProcess

# Seconds that the network takes for a request and its answer.
LATENCIES = (0.0, 0.15)

DIRECT = "--TCIKernel.execution=direct"

# Seconds of a silent cell whose requests are counted.
SILENCE = 20

# What is run in each way, and how often.
CELLS = {
    "a `pass` cell": ("pass", 50),
    "100,000 short prints": (PRINTS, 5),
    "2,000 displays in one cell": (DISPLAYS, 5),
    "50 MB in one display": (BIG, 5),
}


@contextmanager
def away(server: ServerProcess, latency: float) -> Iterator[Mapping[str, str]]:
    """The environment in which the kernel `tci` uses a server that is so many seconds away."""
    environment = remote(server)
    if not latency:
        yield environment
        return
    with Gateway(server.base_url, passes_exchanges=False).running() as gateway:
        gateway.faults = [delayed(latency)]
        yield environment | {"TOGETHER_BASE_URL": gateway.base_url}


def cells(server: ServerProcess) -> Iterator[Row]:
    """The rows of cells, live against the others."""
    for latency in LATENCIES:
        where = f"{latency * 1000:g} ms away"
        with ExitStack() as stack:
            environment = stack.enter_context(away(server, latency))
            live = stack.enter_context(started("tci", **environment))
            direct = stack.enter_context(started("tci", DIRECT, **environment))
            theirs = stack.enter_context(started(IPYKERNEL))
            for kernel in (live, direct, theirs):
                kernel.run("pass")
            yield Row(
                f"from the first print of a running cell to its arrival, `tci`, {where}",
                partial(lag, live),
                # A round trip and a half.
                1.5 * latency or None,
                rounds=5,
            )
            yield Row(
                f"a comm's message and its answer, `tci`, {where}",
                echo(live),
                None,
                IPYKERNEL,
                echo(theirs),
                rounds=50,
            )
            for what, (code, rounds) in CELLS.items():
                for name, kernel in ((IPYKERNEL, theirs), ("directly", direct)):
                    yield Row(
                        f"{what}, `tci`, {where}",
                        partial(live.run, code),
                        None,
                        name,
                        partial(kernel.run, code),
                        rounds=rounds,
                    )


def run_all(server: ServerProcess) -> float:
    """Requests to the service for 50 cells that are sent at once, from 150 ms away."""
    with Gateway(server.base_url, passes_exchanges=False).running() as gateway:
        gateway.faults = [delayed(LATENCIES[-1])]
        environment = remote(server) | {"TOGETHER_BASE_URL": gateway.base_url}
        with started("tci", **environment) as kernel:
            kernel.run("pass")
            gateway.forget()
            kernel.run_all(["pass"] * 50)
            return len(gateway.received)


def requests(server: ServerProcess) -> Iterator[Row]:
    """The rows of what is sent to the service while nothing is to be shown."""
    yield Row(
        "round trips of 50 cells that are run at once, `tci`, 150 ms away",
        partial(run_all, server),
        55,
        unit="",
        rounds=3,
    )
    with (
        counted(server.base_url, without=EXTENSIONS) as proxy,
        started("tci", **remote(server) | {"TOGETHER_BASE_URL": proxy.base_url}) as kernel,
    ):
        kernel.run("pass")

        def sent(action: Callable[[], object]) -> float:
            proxy.taken()
            action()
            return len(proxy.taken()) * 60 / SILENCE

        for what, action in (
            ("a silent cell", partial(kernel.run, f"import time; time.sleep({SILENCE})")),
            ("nothing runs", partial(time.sleep, SILENCE)),
        ):
            yield Row(
                f"HTTP requests a minute to a relay: {what}",
                partial(sent, action),
                unit="",
                rounds=1,
            )
