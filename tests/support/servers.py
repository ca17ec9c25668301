"""A real local server, as the process that `tci-kernel serve` starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOKEN = "a-token-for-tests"


@dataclass(frozen=True)
class ServerProcess:
    """A running `tci-kernel serve`."""

    base_url: str
    token: str
    process: subprocess.Popen[str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@contextmanager
def serving(
    *options: str,
    token: str = TOKEN,
    before: Sequence[str] = (),
    python: str | Path = sys.executable,
    **environment: str,
) -> Iterator[ServerProcess]:
    """Start `tci-kernel serve` with options, and stop it with SIGTERM afterwards.

    Args:
        options: of the command.
        token: what callers must send.
        before: a command that runs the command that follows it.
        python: the interpreter of the server, and of its sessions.
        environment: added to this process's environment.
    """
    process = subprocess.Popen(
        [*before, str(python), "-m", "tci_kernel", "serve", *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TCI_SERVER_TOKEN": token, **environment},
    )
    assert process.stdout is not None
    try:
        yield ServerProcess(process.stdout.readline().strip(), token, process)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
