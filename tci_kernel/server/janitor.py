"""The server's side of the janitor: a process that outlives the server and tidies up after it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tci_kernel.server import janitor_process

# Seconds that an orderly close waits for the janitor.
_CLOSE_TIMEOUT = 2.0


class Janitor:
    """Starts `janitor_process.py` and tells it which interpreters run.

    Args:
        root: the directory that it removes when this process ends, in whatever way.

    Attributes:
        environment: the variables that interpreters must have, for it to find what their code
            starts.
    """

    def __init__(self, root: Path) -> None:
        self.environment = {janitor_process.ROOT_VARIABLE: str(root)}
        # Isolated and without site-packages, it starts in some 15 ms. Away from the
        # server's terminal and process group, it gets none of the signals that are sent to these.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", janitor_process.__file__, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def register(self, pid: int) -> None:
        """From now on, look after an interpreter, which leads its process group."""
        self._send(f"+{pid}\n")

    def unregister(self, pid: int) -> None:
        """Forget an interpreter that has ended: its process id may become another's."""
        self._send(f"-{pid}\n")

    def close(self) -> None:
        """Let it tidy up, and wait until it has."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):  # it goes on by itself
            self._process.wait(_CLOSE_TIMEOUT)

    def _send(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line)
            self._process.stdin.flush()
