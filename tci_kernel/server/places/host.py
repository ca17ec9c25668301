"""Interpreters with the rights of the server: in directories of this computer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager

from tci_kernel.remote import staging
from tci_kernel.server import environment, janitor_process
from tci_kernel.server import files as request_files
from tci_kernel.server.early import EarlyInterpreter
from tci_kernel.server.places.adoption import adopt
from tci_kernel.server.places.base import QuietRun

# Letters of the log that tell why an interpreter did not start.
LOG_TAIL = 2000


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What holds for all places of a server on this computer.

    Attributes:
        kernel_name: the kernelspec of the interpreters.
        root: a private directory of the server with a short path.
        marks: the variables by which the janitor finds what the interpreters' code starts.
        directory: the working directory of all; None for one of each session's own, which begins
            empty and ends with it.
        uses_profile: whether interpreters read the IPython profile of the server's user.
        early: the first interpreter, if it was started already.
    """

    kernel_name: str
    root: Path
    marks: Mapping[str, str]
    directory: Path | None = None
    uses_profile: bool = False
    early: EarlyInterpreter | None = None


class HostPlace:
    """A directory of this computer.

    Args:
        options: as above.
        session_id: see `Place`.
        number: see `Maker`.
    """

    is_contained = False
    is_here = True

    def __init__(self, options: HostOptions, session_id: str, number: int) -> None:
        self.session_id = session_id
        self._options = options
        self._directory = options.directory or options.root / session_id
        self._early = options.early if number == 1 else None
        # The connection file, the sockets and the log.
        self._runtime_directory = options.root / str(number)
        self._log = self._runtime_directory / "log"

    @property
    def keeps_files(self) -> bool:
        """See `Place`."""
        return True

    def make_manager(self, context: zmq.asyncio.Context) -> AsyncKernelManager:
        """See `Place`."""
        # Sockets in a private directory need no ports, so that interpreters that start together
        # can't take each other's, and no other user can reach them.
        manager = AsyncKernelManager(
            kernel_name=self._options.kernel_name,
            context=context,
            transport="ipc",
            ip=str(self._runtime_directory / "k"),
            connection_file=str(self._runtime_directory / "kernel.json"),
        )
        if self._early is not None and not adopt(self._early, manager):
            self._early = None
        return manager

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """See `Place`."""
        if self._early is not None:
            self._early = None  # another one has to be started
            yield {}
            return
        if self._options.directory is None:
            self._directory.mkdir(exist_ok=True)
        shutil.rmtree(self._runtime_directory, ignore_errors=True)  # of an interpreter before
        variables = environment.prepared(
            self._runtime_directory,
            self.session_id,
            self._options.marks,
            uses_profile=self._options.uses_profile,
        )
        with self._log.open("wb") as log:
            yield {"cwd": str(self._directory), "env": variables, "stdout": log, "stderr": log}

    async def enter(self, run: QuietRun) -> None:
        """See `Place`: it was started there."""

    async def leave(self, run: QuietRun) -> None:
        """See `Place`: all is to be seen."""

    def log(self) -> str:
        """See `Place`."""
        try:
            return self._log.read_text(errors="replace")[-LOG_TAIL:]
        except OSError:
            return ""

    def end_reason(self) -> str:
        """See `Place`."""
        return ""

    async def write(
        self,
        files: Sequence[tuple[PurePosixPath, bytes]],
        run: QuietRun,  # noqa: ARG002 - the server sees the directory itself
    ) -> None:
        """See `Place`."""
        try:
            staging.write(self._directory, files)
        except staging.Unwritable as error:
            raise request_files.rejection(error.number, error.problem) from error

    def sweep(self) -> None:
        """See `Place`: what has left the interpreter's group is found by its environment."""
        janitor_process.kill_strays(janitor_process.SESSION_VARIABLE, self.session_id)

    def close(self) -> None:
        """See `Place`."""
        own = [] if self._options.directory else [self._directory]
        for directory in (*own, self._runtime_directory):
            shutil.rmtree(directory, ignore_errors=True)  # the janitor removes what is left
