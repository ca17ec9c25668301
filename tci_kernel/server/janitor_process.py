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

# Seconds to be rid of processes that die slowly, on a busy computer, and of a directory that they
# still write to; and looks in a row, a tenth of a second apart, at which there are none.
PATIENCE = 60.0
LOOKS = 2

# Looks for what a process starts while what it has started is killed.
ATTEMPTS = 20

# Stand in the environment of each interpreter, and so of all that its code starts: the server's
# root directory, and the session's id.
ROOT_VARIABLE = "TCI_SERVER_ROOT"
SESSION_VARIABLE = "TCI_SERVER_SESSION"


def remaining(lines: Iterable[str]) -> set[int]:
    """The processes that started and did not end, once the lines end."""
    pids: set[int] = set()
    for line in lines:
        (pids.add if line.startswith("+") else pids.discard)(int(line[1:]))
    return pids


def kill(pids: Iterable[int]) -> None:
    """Kill processes with their groups, and what descends from them: on Linux alone, all of it.

    An interpreter leads the group of what its code started.
    """
    pids = set(pids)
    killed: set[int] = set()
    for _ in range(ATTEMPTS):  # what is started meanwhile is found in the next one
        found = descendants(pids) - killed
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            break
        killed |= found
    for pid in pids:
        for end in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):  # it ended, or leads no group
                end(pid, signal.SIGKILL)


def descendants(pids: Iterable[int]) -> set[int]:
    """The live processes below others, but for janitors: those end with what they look after."""
    children = _children()
    found: set[int] = set()
    pending = [*pids]
    while pending:
        below = children.get(pending.pop(), set()) - found
        found |= below
        pending += below
    return {pid for pid in found if not _is_janitor(pid)}


def children_of(pid: int) -> set[int]:
    """The live children of a process, but for janitors, as in `descendants`."""
    return {child for child in _children().get(pid, ()) if not _is_janitor(child)}


def _children() -> dict[int, set[int]]:
    """The children of each process that has some, but for those that wait to be taken note of."""
    children: dict[int, set[int]] = {}
    with suppress(OSError):  # there is no /proc
        for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - as below
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                # Behind the name, in which anything may stand: its state, and its parent.
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    children.setdefault(int(parent), set()).add(int(name))
    return children


def _is_janitor(pid: int) -> bool:
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - as below
        return os.fsencode(__file__) in file.read().split(b"\0")
    return False


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
    """Remove a directory tree and the strays that may write to it, patiently.

    Where there were strays it looks once more: one that was about to start was not seen as such.
    """
    deadline = time.monotonic() + PATIENCE
    looks = 1
    while looks and time.monotonic() < deadline:
        had_strays = kill_strays(ROOT_VARIABLE, root)
        shutil.rmtree(root, ignore_errors=True)
        # pathlib would triple the start-up time.
        is_gone = not had_strays and not os.path.exists(root)  # noqa: PTH110
        looks = looks - 1 if is_gone else LOOKS
        if looks:
            time.sleep(0.1)


if __name__ == "__main__":
    kill(remaining(sys.stdin))
    remove(sys.argv[1])
