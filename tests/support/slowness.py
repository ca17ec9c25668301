"""Half a CPU for somebody else's process: stopped and continued, in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

# Seconds for which a process runs, and then does not.
_SLICE = 0.01

# Seconds between two looks for interpreters that have begun.
_LOOK = 0.1


@contextmanager
def half_a_cpu(server_pid: int, *, seconds: float) -> Iterator[None]:
    """Give the interpreters of a server, now and later ones, half of the time.

    Args:
        server_pid: the process of `tci-kernel serve`.
        seconds: after which they have all of it, whatever a test waits for.
    """
    done = threading.Event()
    slowing = threading.Thread(target=_slow, args=(server_pid, seconds, done), daemon=True)
    slowing.start()
    try:
        yield
    finally:
        done.set()
        slowing.join()


def _slow(server_pid: int, seconds: float, done: threading.Event) -> None:
    server = psutil.Process(server_pid)
    end = time.monotonic() + seconds
    found: list[psutil.Process] = []
    looked = 0.0
    try:
        while time.monotonic() < end and not done.is_set():
            if time.monotonic() - looked > _LOOK:
                found, looked = _interpreters(server), time.monotonic()
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.suspend()
            done.wait(_SLICE)
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.resume()
            done.wait(_SLICE)
    finally:
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _interpreters(server: psutil.Process) -> list[psutil.Process]:
    """The sessions' interpreters, and those that relays have started in them."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in server.children():
            with suppress(psutil.NoSuchProcess):
                if "ipykernel_launcher" in child.cmdline():
                    found += [child, *child.children(recursive=True)]
    return found
