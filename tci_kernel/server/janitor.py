"""The server's side of the janitor: a process that outlives the server and tidies up after it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tci_kernel.server import janitor_process

# Seconds that an orderly close waits for the janitor.
_PATIENCE = 2.0


class Janitor:
    """Starts `janitor_process.py` and tells it which kernels run.

    Args:
        root: the directory that it removes when this process ends, in whatever way.

    Attributes:
        mark: what kernels must have in their environment, for it to find what their cells start.
    """

    def __init__(self, root: Path) -> None:
        self.mark = {janitor_process.MARK: str(root)}
        # Isolated and without site-packages, it starts in some 15 ms. A session of its own
        # keeps it out of reach of signals to the server's group.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", janitor_process.__file__, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def started(self, pid: int) -> None:
        """A kernel runs from now on, as the leader of its process group."""
        self._tell(f"+{pid}\n")

    def ended(self, pid: int) -> None:
        """A kernel has ended: its process id may be another's from now on."""
        self._tell(f"-{pid}\n")

    def close(self) -> None:
        """Let it tidy up, and wait until it has."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):  # it goes on by itself
            self._process.wait(_PATIENCE)

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line)
            self._process.stdin.flush()
