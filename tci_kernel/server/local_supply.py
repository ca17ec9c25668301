"""Makes the workspaces of a server, and keeps one ready for the next session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

from tci_kernel.core.errors import RequestRejected
from tci_kernel.server.local_workspace import LocalWorkspace
from tci_kernel.server.machine import Machine
from tci_kernel.server.session_ids import new_session_id


@dataclass(frozen=True, slots=True)
class _Spare:
    """A workspace that waits for its session, and what to compare before it gets one.

    Attributes:
        workspace: its interpreter has started.
        started: when that was started, in ns since 1970.
        kernelspec: the file that it was started from, and when that was written.
        packages: where packages for it are installed.
    """

    workspace: LocalWorkspace
    started: int
    kernelspec: tuple[Path, int]
    packages: Sequence[Path]

    async def is_usable(self, kernelspec: tuple[Path, int]) -> bool:
        """Whether it lives, and is what a new one would be.

        Some of what is installed, an editable package for instance, counts from a start on.
        """
        return (
            kernelspec == self.kernelspec
            and all(_modification_time(directory) < self.started for directory in self.packages)
            and await self.workspace.interpreter.is_alive()
        )


class LocalSupply:
    """Makes the workspaces of this process. See `WorkspaceSupply`.

    Args:
        machine: starts them.
        first_id: the id of the first session; empty for any.
    """

    def __init__(self, machine: Machine, first_id: str = "") -> None:
        self._machine = machine
        self._first_id = first_id
        self._spare: asyncio.Task[_Spare] | None = None

    def prepare_spare(self) -> None:
        """Make a workspace for the next `take`, unless that was tried already."""
        if self._spare is None:
            self._spare = asyncio.create_task(self._start_spare())

    async def take(self) -> LocalWorkspace:
        """Give a workspace: the prepared one, which may be starting still, or else a new one.

        Raises:
            RequestRejected: its interpreter does not start.
        """
        spare, self._spare = self._spare, None
        if spare is not None:
            with suppress(RequestRejected):  # what keeps a new one from starting now will say so
                prepared = await spare
                if await prepared.is_usable(self._kernelspec()):
                    return prepared.workspace
                await asyncio.shield(prepared.workspace.close("never used"))
        return await self._start()

    async def close(self) -> None:
        """End the prepared workspace, and the sockets of all."""
        if self._spare is not None:
            self._spare.cancel()
            [prepared] = await asyncio.gather(self._spare, return_exceptions=True)
            if isinstance(prepared, _Spare):
                await prepared.workspace.close("never used")
        self._machine.close_sockets()

    async def _start_spare(self) -> _Spare:
        started, kernelspec = time.time_ns(), self._kernelspec()
        workspace = await self._start()
        try:
            packages = await workspace.interpreter.package_directories()
        except BaseException:
            await asyncio.shield(workspace.close("never used"))
            raise
        return _Spare(workspace, started, kernelspec, packages)

    def _kernelspec(self) -> tuple[Path, int]:
        directory = (
            KernelSpecManager()
            .find_kernel_specs()
            .get(self._machine.options.kernel_name.lower(), "")
        )
        path = Path(directory, "kernel.json")
        return path, _modification_time(path)

    async def _start(self) -> LocalWorkspace:
        session_id, self._first_id = self._first_id or new_session_id(), ""
        return await self._machine.start_workspace(session_id)


def _modification_time(path: Path) -> int:
    """When a file or directory was last written, in ns since 1970; 0 if it does not exist."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
