"""Starts a kernel in a sandbox, as a provisioner of Jupyter's, and ends one that takes too much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from tci_kernel.core.text import size
from tci_kernel.server.places.supervisor import Supervisor
from tci_kernel.server.places.usage import memory_used

# Seconds between looks at the memory that is used in a sandbox, and for its end.
USAGE_INTERVAL = 0.5
WAIT_INTERVAL = 0.1


class SandboxProvisioner(LocalProvisioner):
    """A kernel that is shut in.

    Its connection file names its sockets by their path inside. What is told to others leads to the
    same sockets from outside.

    Args:
        supervisor: starts it, in a sandbox that may be there already.
        wrap: gives the command that makes the sandbox for a command; see `Supervisor.make`.
        hand_over: called before the start, for the connection file to be read inside.
        memory: bytes of memory that all processes inside may have together.
        options: as in Jupyter's own.

    Attributes:
        end_reason: why it was killed; empty if it was not.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        wrap: Callable[[list[str], int], list[str]],
        hand_over: Callable[[], None],
        memory: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.end_reason = ""
        self._supervisor = supervisor
        self._wrap = wrap
        self._hand_over = hand_over
        self._memory = memory
        self._watcher: asyncio.Task[None] | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel.

        Raises:
            RuntimeError: the sandbox can't be made.
        """
        self._hand_over()
        if not self._supervisor.is_alive:
            options = LocalProvisioner._scrub_kwargs(kwargs)  # noqa: SLF001 - its subclasses' too
            await self._supervisor.make(lambda info: self._wrap(cmd, info), options)
        self._supervisor.start()
        self.process = self._supervisor.process
        # The first process inside heeds no signal but SIGKILL. It leads the group of all others.
        self.pgid = self._supervisor.first
        self._watcher = asyncio.create_task(self._watch_memory())
        connection = self.connection_info
        return {**connection, "ip": f"{self._supervisor.sockets}/{Path(connection['ip']).name}"}

    async def _watch_memory(self) -> None:
        """End the kernel once all that is inside has more memory than it may.

        A process is kept within the limit by the system; this is for many of them.
        """
        while await self.poll() is None:
            used = await asyncio.to_thread(memory_used, self._supervisor.proc, self._memory)
            if used > self._memory:
                self.end_reason = (
                    f"it used {size(used)} of memory, and may have {size(self._memory)}"
                )
                await self._supervisor.end()
            await asyncio.sleep(USAGE_INTERVAL)

    async def poll(self) -> int | None:
        """How it has ended; None if it runs."""
        return self._supervisor.poll() if self.process is not None else 0

    async def wait(self) -> int | None:
        """Wait for its end."""
        while (status := await self.poll()) is None:  # noqa: ASYNC110 - it raises no event
            await asyncio.sleep(WAIT_INTERVAL)
        self.process = None
        return status

    async def send_signal(self, signum: int) -> None:
        """Send a signal to all that is in its group, or kill all that is in the sandbox."""
        if signum == SIGKILL:
            await self.kill()
        else:
            await super().send_signal(signum)

    async def kill(self, restart: bool = False) -> None:  # noqa: ARG002 - Jupyter's signature
        """Kill it, with all that it has started."""
        if self.process is not None:
            await self._supervisor.end()

    async def cleanup(self, restart: bool = False) -> None:
        """Watch it no more."""
        await super().cleanup(restart)
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
