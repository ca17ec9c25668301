"""Starts a kernel in a sandbox, as a provisioner of Jupyter's, and ends one that takes too much."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from tci_kernel.core.text import size
from tci_kernel.server.places.usage import memory_used

# Seconds that a sandbox has to be made, and between looks for it.
START_TIMEOUT = 30.0
START_INTERVAL = 0.005

# Seconds between looks at the memory that is used in a sandbox.
USAGE_INTERVAL = 0.5

# What bubblewrap adds to the number of the signal that killed its program.
_KILLED = 128


class SandboxProvisioner(LocalProvisioner):
    """The process of a kernel that is shut in.

    Its connection file names its sockets by their path inside. What is told to others leads to the
    same sockets from outside.

    Args:
        wrap: gives the command that runs a command in a sandbox, and the file that says which
            process is the first inside; see `bubblewrap.command`.
        socket_directory: where the sockets are, inside: a name that is nowhere outside.
        memory: bytes of memory that all processes inside may have together.
        options: as in Jupyter's own.

    Attributes:
        end_reason: why it was killed; empty if it was not.
    """

    def __init__(
        self,
        wrap: Callable[[list[str], int], list[str]],
        socket_directory: str,
        memory: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.end_reason = ""
        self._wrap = wrap
        self._socket_directory = socket_directory
        self._memory = memory
        self._opened: int | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel.

        Raises:
            RuntimeError: the sandbox can't be made.
        """
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as info:
            try:
                wrapped = await asyncio.to_thread(self._wrap, cmd, writing)
                connection = await super().launch_kernel(wrapped, pass_fds=(writing,), **kwargs)
            finally:
                os.close(writing)
            first = _first_process(await asyncio.to_thread(info.read))
        # The first process inside heeds no signal but SIGKILL, with which all that is there ends.
        # It leads the group of what it has started.
        self.pgid = first
        self._opened = await self._open_socket_directory(f"/proc/{first}/root")
        self._watcher = asyncio.create_task(self._watch_memory(f"/proc/{first}/root/proc"))
        return {**connection, "ip": f"/proc/self/fd/{self._opened}/{Path(connection['ip']).name}"}

    async def _open_socket_directory(self, root: str) -> int:
        """Open the directory of the sockets, once it is there.

        The sandbox may end, and another process have its number: what is open stays what it was.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and await self.poll() is None:
            with suppress(OSError):
                return os.open(f"{root}{self._socket_directory}", os.O_PATH | os.O_DIRECTORY)
            await asyncio.sleep(START_INTERVAL)
        raise RuntimeError("its sandbox could not be made")

    async def _watch_memory(self, proc: str) -> None:
        """End all that is inside once it has more memory than it may.

        A process is kept within the limit by the system; this is for many of them.
        """
        while await self.poll() is None:
            used = await asyncio.to_thread(memory_used, proc, self._memory)
            if used > self._memory:
                self.end_reason = (
                    f"it used {size(used)} of memory, and may have {size(self._memory)}"
                )
                await self.send_signal(SIGKILL)
            await asyncio.sleep(USAGE_INTERVAL)

    async def poll(self) -> int | None:
        """How it has ended, as any process says it, and not as bubblewrap; None if it runs."""
        status = await super().poll()
        return _KILLED - status if status is not None and status > _KILLED else status

    async def cleanup(self, restart: bool = False) -> None:
        """Let go of what is held of it."""
        await super().cleanup(restart)
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None


def _first_process(info: bytes) -> int:
    """What bubblewrap says of the sandbox that it has made."""
    try:
        return int(json.loads(info)["child-pid"])
    except ValueError as error:
        raise RuntimeError("its sandbox could not be made") from error
