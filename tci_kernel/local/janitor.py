"""Waits for the server's end, then removes what it left behind: processes and directories.

A process of its own, so that nothing stays however the server ends, SIGKILL included. It reads
lines from the server, `+PID` for a kernel that started and `-PID` for one that ended; the end of
that input is the server's end. Run as a file, with the server's root directory as its argument.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

# Attempts, a tenth of a second apart, to remove a directory that a dying process still writes to.
ATTEMPTS = 20


def remaining(lines: Iterable[str]) -> set[int]:
    """The processes that started and did not end, once the lines end."""
    pids: set[int] = set()
    for line in lines:
        (pids.add if line.startswith("+") else pids.discard)(int(line[1:]))
    return pids


def kill(pids: Iterable[int]) -> None:
    """Kill each process with its group: a kernel leads the group of what its cells started."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):  # it ended by itself
            os.killpg(pid, signal.SIGKILL)


def remove(root: str) -> None:
    """Remove a directory tree, patiently."""
    for _ in range(ATTEMPTS):
        shutil.rmtree(root, ignore_errors=True)
        if not os.path.exists(root):  # noqa: PTH110 - pathlib would triple the start-up time
            return
        time.sleep(0.1)


if __name__ == "__main__":
    kill(remaining(sys.stdin))
    remove(sys.argv[1])
