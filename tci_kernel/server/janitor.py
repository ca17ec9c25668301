"""The server's side of the janitor: a process that outlives the server and tidies up after it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tci_kernel.server import janitor_process

_MARKS = (janitor_process.ROOT_VARIABLE, janitor_process.SESSION_VARIABLE)

# https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
_PR_SET_CHILD_SUBREAPER = 36

# Starts a command in the background and ends, so that the command's parent is none of ours. What a
# shell starts there has no input unless it is told.
_DETACHING = ("/bin/sh", "-c", 'exec 3<&0; "$@" <&3 3<&- &', "sh")

# Seconds that an orderly close waits for the janitor, if it is a child.
_CLOSE_TIMEOUT = 2.0


class Janitor:
    """Starts `janitor_process.py` and tells it which interpreters run.

    Args:
        root: the directory that it removes when this process ends, in whatever way.
        is_detached: have it be no child of this process, for who kills that with its children.

    Attributes:
        environment: the variables that interpreters must have, for it to find what their code
            starts.
        adopts: whether this process gets what interpreters that died leave behind, and has no
            children but interpreters; see `adopt_orphans`.
    """

    def __init__(self, root: Path, *, is_detached: bool = False) -> None:
        self._root = root
        self._is_detached = is_detached
        self._pids: set[int] = set()
        self._sending = threading.Lock()  # sandboxes end on other threads
        self._starting = 0
        self._all_known = asyncio.Event()
        self._all_known.set()
        self.adopts = False
        self.environment = {janitor_process.ROOT_VARIABLE: str(root)}
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        # Isolated and without site-packages, it starts in some 15 ms. Away from the
        # server's terminal and process group, it gets none of the signals that are sent to these.
        command = [sys.executable, "-I", "-S", janitor_process.__file__, str(self._root)]
        process = subprocess.Popen(  # noqa: S603
            [*(_DETACHING if self._is_detached else ()), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,  # what could not be sent is not kept
            start_new_session=True,
            # In a session of another server it is not that one's to kill: it tidies up by itself.
            env={name: value for name, value in os.environ.items() if name not in _MARKS},
        )
        if self._is_detached:
            process.wait()  # else its child would be ours, once this process adopts orphans
        return process

    def adopt_orphans(self) -> None:
        """From now on, get what interpreters that die leave behind, where the system has that."""
        if sys.platform == "linux":
            import ctypes  # noqa: PLC0415 - an embedded server never needs it

            self.adopts = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

    @contextmanager
    def starting(self) -> Iterator[None]:
        """While an interpreter starts that can't be registered yet: a child that nobody knows."""
        self._starting += 1
        self._all_known.clear()
        try:
            yield
        finally:
            self._starting -= 1
            if not self._starting:
                self._all_known.set()

    async def kill_orphans(self) -> None:
        """Kill what interpreters that have died have left to this process, if it adopts that."""
        if not self.adopts:
            return
        await self._all_known.wait()
        orphans = janitor_process.children_of(os.getpid()) - self._pids
        janitor_process.kill(orphans)
        for pid in orphans:
            with suppress(ChildProcessError):  # nobody else takes note of its end
                await asyncio.to_thread(os.waitpid, pid, 0)

    def register(self, pid: int) -> None:
        """From now on, look after an interpreter, which leads its process group."""
        self._pids.add(pid)
        self._send(f"+{pid}\n")

    def unregister(self, pid: int) -> None:
        """Forget an interpreter that has ended: its process id may become another's."""
        self._pids.discard(pid)
        self._send(f"-{pid}\n")

    def close(self) -> None:
        """Let it tidy up, and wait until it has."""
        self._send("")  # if it was killed, another one does
        _close_input(self._process)
        with suppress(subprocess.TimeoutExpired):  # it goes on by itself
            self._process.wait(_CLOSE_TIMEOUT)

    def _send(self, line: str) -> None:
        """Tell it something. One that was killed is replaced, and told all that it should know."""
        with self._sending:
            self._process.poll()  # if it has ended, nothing else takes note of that
            if _written(self._process, line):
                return
            _close_input(self._process)
            self._process = self._start()
            _written(self._process, "".join(f"+{pid}\n" for pid in sorted(self._pids)))


def _written(process: subprocess.Popen[bytes], text: str) -> bool:
    """Whether a process takes what it is sent."""
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    try:
        process.stdin.write(text.encode())
    except BrokenPipeError:
        return False
    return True


def _close_input(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - as above
    process.stdin.close()
