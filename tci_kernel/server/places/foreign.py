"""Interpreters that another one's provisioner starts, perhaps on another machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from shutil import rmtree
from typing import Any

import zmq.asyncio
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from tci_kernel.server.places import asked
from tci_kernel.server.places.base import QuietRun

# The provisioner of kernelspecs that name none, which starts a process of this computer.
_LOCAL = "local-provisioner"


def is_foreign(kernel_name: str) -> bool:
    """Whether a kernelspec names a provisioner other than that of processes here.

    Raises:
        NoSuchKernel: there is no such kernelspec.
    """
    metadata = KernelSpecManager().get_kernel_spec(kernel_name).metadata
    provisioner = metadata.get("kernel_provisioner") or {}
    return bool(provisioner.get("provisioner_name", _LOCAL) != _LOCAL)


class ForeignPlace:
    """A directory wherever the kernelspec's provisioner starts the interpreter.

    Nothing is known of that place: the sockets are TCP's, files go through the interpreter, and its
    process is the provisioner's to signal. Its working directory is below that of all that is
    temporary there; if the interpreter has died when the session ends, it stays.

    Args:
        kernel_name: the kernelspec of the interpreter.
        root: a private directory of the server.
        session_id: see `Place`.
        number: see `Maker`.
    """

    is_contained = False
    is_here = False

    def __init__(self, kernel_name: str, root: Path, session_id: str, number: int) -> None:
        self.session_id = session_id
        self._kernel_name = kernel_name
        self._runtime_directory = root / str(number)
        self._directory = ""

    @property
    def keeps_files(self) -> bool:
        """See `Place`."""
        return True

    def make_manager(self, context: zmq.asyncio.Context) -> AsyncKernelManager:
        """See `Place`."""
        return AsyncKernelManager(
            kernel_name=self._kernel_name,
            context=context,
            connection_file=str(self._runtime_directory / "kernel.json"),
        )

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """See `Place`."""
        rmtree(self._runtime_directory, ignore_errors=True)  # of an interpreter before
        self._runtime_directory.mkdir()
        yield {}

    async def enter(self, run: QuietRun) -> None:
        """See `Place`."""
        self._directory = str(
            await asked.call(run, "directory", operation="enter", name=self._name)
        )

    async def leave(self, run: QuietRun) -> None:
        """See `Place`."""
        with suppress(ValueError, LookupError, TypeError, RecursionError):
            await asked.call(run, "directory", operation="leave", name=self._name)

    @property
    def _name(self) -> str:
        return f"tci-{self.session_id}"

    def log(self) -> str:
        """See `Place`. What it prints is the provisioner's."""
        return ""

    def end_reason(self) -> str:
        """See `Place`."""
        return ""

    async def write(self, files: Sequence[tuple[PurePosixPath, bytes]], run: QuietRun) -> None:
        """See `Place`."""
        await asked.write(self._directory, files, run)

    def sweep(self) -> None:
        """See `Place`. What is there is the provisioner's to end."""

    def close(self) -> None:
        """See `Place`."""
        rmtree(self._runtime_directory, ignore_errors=True)
