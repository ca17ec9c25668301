"""What runs on a node of the cluster for a session: an actor, with the workspace that it holds."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

from tci_kernel.client.schema import Output
from tci_kernel.server.files import Decoded
from tci_kernel.server.local_workspace import LocalWorkspace
from tci_kernel.server.machine import InterpreterOptions, Machine

# The group of calls that have a thread of their own, so that a long answer does not hold them up.
HEALTH = "health"

# Seconds that the actor holds the question whether it lives, so that few have to be asked.
HOLD = 2.0

# Variables that Ray sets for its own processes. With the first, `breakpoint()` would wait for a
# debugger of Ray's.
_RAYS_OWN = ("PYTHONBREAKPOINT", "RAY_CLIENT_MODE", "RAY_JOB_ID", "RAY_LD_PRELOAD_ON_WORKERS")

# Seconds between looks whether the interpreter has died.
_WATCH_INTERVAL = 1.0


class SessionActor:
    """A session's workspace in a process of its own, which Ray starts on some node.

    Args:
        options: of the interpreter.
        number: of the session among those of its server; see `Maker`.
    """

    def __init__(self, options: InterpreterOptions, number: int) -> None:
        self._options = options
        self._number = number
        self._lock = asyncio.Lock()
        self._machine: Machine
        self._workspace: LocalWorkspace
        self._watcher: asyncio.Task[None]

    async def started(self) -> None:
        """Answer, which an actor does as soon as its process runs."""

    async def alive(self) -> None:
        """Answer after a while."""
        await asyncio.sleep(HOLD)

    async def start(self, session_id: str) -> None:
        """Start the interpreter.

        Raises:
            RequestRejected: it does not start.
        """
        # Ray's processes block the signal, and children inherit that: nothing could be interrupted.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for name in _RAYS_OWN:
            os.environ.pop(name, None)
        # Ray kills a process together with its children, which the janitor must outlive.
        self._machine = Machine(self._options, 1, first_number=self._number, is_detached=True)
        self._machine.adopt_orphans()
        self._workspace = await self._machine.start_workspace(session_id)
        self._watcher = asyncio.create_task(self._watch())

    async def execute(self, code: str, files: Decoded) -> list[Output]:
        """See `Workspace`."""
        async with self._lock:  # a call may come before the end of a cancelled one
            return await self._workspace.execute(code, files)

    async def exchange(
        self, request: dict[str, Any], files: Mapping[int, Decoded]
    ) -> tuple[str, int]:
        """See `Workspace`."""
        return await self._workspace.exchange(request, files)

    async def hello(self) -> str:
        """See `Workspace`."""
        return await self._workspace.hello()

    async def close(self, reason: str) -> None:
        """See `Workspace`. Running calls answer soon after."""
        self._watcher.cancel()
        await self._workspace.close(reason)
        self._machine.close_sockets()
        await asyncio.to_thread(self._machine.close)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_INTERVAL)
            await self._workspace.tidy()
