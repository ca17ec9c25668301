"""Prints how long things take on `tci-local` and on ipykernel, in alternation, as medians."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from benchmarks import requests

KERNELS = ("tci-local", "python3")
ROUNDS = 10


@contextmanager
def started(name: str) -> Iterator[BlockingKernelClient]:
    """A kernel that has answered its first request."""
    manager = KernelManager(kernel_name=name)
    # Each kernel would warn on stderr that its loopback sockets are not encrypted.
    manager.start_kernel(stderr=subprocess.DEVNULL)
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def start(name: str) -> float:
    """Seconds from the process's start to its first reply."""
    begin = time.perf_counter()
    with started(name):
        return time.perf_counter() - begin


def first_cell(name: str) -> float:
    """Seconds from the process's start to the reply to its first cell."""
    begin = time.perf_counter()
    with started(name) as client:
        client.execute_interactive("pass", timeout=60)
        return time.perf_counter() - begin


def cell(code: str) -> Callable[[str], float]:
    """Seconds for a cell in a kernel that has run one."""

    def measure(name: str) -> float:
        with started(name) as client:
            client.execute_interactive("pass", timeout=60)
            begin = time.perf_counter()
            client.execute_interactive(code, timeout=60, output_hook=lambda _message: None)
            return time.perf_counter() - begin

    return measure


MEASUREMENTS: dict[str, Callable[[str], float]] = {
    "process start to kernel_info reply": start,
    "process start to the first cell's reply": first_cell,
    "a `pass` cell": cell("pass"),
    "2,000 displays": cell("for i in range(2000): display(i)"),
}


def main() -> None:
    """Measure, and print a row for each measurement."""
    print(f"Medians of {ROUNDS}, in ms")
    print(f"{'':42}{KERNELS[0]:>12}{KERNELS[1]:>12}{'ratio':>8}")
    for title, measure in MEASUREMENTS.items():
        times = {name: [] for name in KERNELS}  # type: dict[str, list[float]]
        for _ in range(ROUNDS):
            for name in KERNELS:
                times[name].append(measure(name))
        ours, theirs = (statistics.median(times[name]) * 1000 for name in KERNELS)
        print(f"{title:42}{ours:12.1f}{theirs:12.1f}{ours / theirs:8.2f}")
    requests.main()


if __name__ == "__main__":
    main()
