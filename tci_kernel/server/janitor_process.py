"""Waits for the server's end, then removes what it left behind: processes and directories.

A process of its own, so that nothing stays however the server ends, SIGKILL included. It reads
lines from the server, `+PID` for an interpreter that started and `-PID` for one that ended; the
end of that input is the server's end. Run as a file, with the server's root directory as its
argument.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

# Attempts, a tenth of a second apart, to be rid of processes that die slowly and of a directory
# that they still write to.
ATTEMPTS = 20

# Stand in the environment of each interpreter, and so of all that its code starts: the server's
# root directory, and the working directory of the session.
ROOT_VARIABLE = "TCI_SERVER_ROOT"
SESSION_VARIABLE = "TCI_SESSION_DIRECTORY"


def remaining(lines: Iterable[str]) -> set[int]:
    """The processes that started and did not end, once the lines end."""
    pids: set[int] = set()
    for line in lines:
        (pids.add if line.startswith("+") else pids.discard)(int(line[1:]))
    return pids


def kill(pids: Iterable[int]) -> None:
    """Kill each process with its group: an interpreter leads the group of what its code started."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):  # it ended by itself
            os.killpg(pid, signal.SIGKILL)


def strays(variable: str, value: str) -> set[int]:
    """The processes that left their interpreter's group, by their environment: on Linux alone."""
    entry = os.fsencode(f"{variable}={value}")
    pids = set()
    with suppress(OSError):  # there is no /proc
        for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - as below
            with suppress(OSError), open(f"/proc/{name}/environ", "rb") as environment:  # noqa: PTH123
                if entry in environment.read().split(b"\0"):
                    pids.add(int(name))
    return pids


def kill_strays(variable: str, value: str) -> bool:
    """Kill these processes; whether there were any."""
    pids = strays(variable, value)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


def remove(root: str) -> None:
    """Remove a directory tree and the strays that may write to it, patiently."""
    for _ in range(ATTEMPTS):
        had_strays = kill_strays(ROOT_VARIABLE, root)
        shutil.rmtree(root, ignore_errors=True)
        # pathlib would triple the start-up time.
        if not had_strays and not os.path.exists(root):  # noqa: PTH110
            return
        time.sleep(0.1)


if __name__ == "__main__":
    kill(remaining(sys.stdin))
    remove(sys.argv[1])
