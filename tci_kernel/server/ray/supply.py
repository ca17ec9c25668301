"""Makes the workspaces of a server in a Ray cluster."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import ray

from tci_kernel.core.errors import ConfigurationError, RequestRejected
from tci_kernel.server.machine import InterpreterOptions
from tci_kernel.server.ray.actor import HEALTH, SessionActor
from tci_kernel.server.ray.calls import Unreachable, result
from tci_kernel.server.ray.room import Room
from tci_kernel.server.ray.workspace import RayWorkspace
from tci_kernel.server.session_ids import new_session_id
from tci_kernel.server.workspace import WorkspaceLost

# How many calls an actor may have: those of clients that wait for news of their interpreter.
_MOST_CALLS = 1_000

# Seconds for an actor's process to start where there is room. Ray gives it as many
# (`worker_register_timeout_seconds`), and would then start another, again and again.
_START_TIMEOUT = 60.0


class RaySupply:
    """Makes workspaces in actors. See `WorkspaceSupply`.

    Args:
        options: of the interpreters.
        wait: seconds that a new session waits for room in the cluster.
        cpus: that Ray sets aside for each.
        memory: as above, in bytes.
        gpus: as above.

    Raises:
        ConfigurationError: no actor can have such resources.
    """

    def __init__(
        self, options: InterpreterOptions, wait: float, *, cpus: float, memory: int, gpus: float
    ) -> None:
        self._options = options
        self._wait = wait
        self._last_number = 0
        self._resources = {"CPU": cpus, "memory": memory, "GPU": gpus}
        self._actor: Any = ray.remote(concurrency_groups={HEALTH: 1})(SessionActor)
        self._actor_options: dict[str, Any] = {
            "num_cpus": cpus,
            "memory": memory or None,
            "num_gpus": gpus,
            "max_restarts": 0,  # another process would not have the session's variables
            "max_concurrency": _MOST_CALLS,
        }
        try:
            self._actor.options(**self._actor_options)
        except ValueError as error:
            raise ConfigurationError(f"No session can have such resources: {error}") from error

    def prepare_spare(self) -> None:
        """Prepare none: a spare one would keep room from others, and a whole node running."""

    async def take(self) -> RayWorkspace:
        """Give a workspace on whichever node has room.

        Raises:
            RequestRejected: none has had any for long, or its interpreter does not start.
        """
        self._last_number += 1
        with ExitStack() as held:
            room = Room(self._resources)
            held.callback(room.release)
            await self._wait_for(room)
            try:
                actor = await self._start_actor(room, held)
                workspace = RayWorkspace(new_session_id(), actor, held.pop_all())
                held.callback(workspace.kill)
                await workspace.start()
            except WorkspaceLost as lost:
                raise Unreachable(f"No session began: {lost}.", retry_after=1) from lost
            held.pop_all()
        return workspace

    async def _wait_for(self, room: Room) -> None:
        try:
            async with asyncio.timeout(self._wait):
                await room.wait()
        except TimeoutError as error:
            raise RequestRejected(
                f"No node of the Ray cluster had room for a session in {self._wait:g} seconds.",
                status=429,
                code="cluster_full",
                retry_after=max(1, round(self._wait)),
            ) from error

    async def _start_actor(self, room: Room, held: ExitStack) -> Any:
        """Start an actor's process, which the stack is to end."""
        options = {**self._actor_options, "scheduling_strategy": room.scheduling_strategy}
        actor = self._actor.options(**options).remote(self._options, self._last_number)
        held.callback(ray.kill, actor)
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await result(actor.started.remote())
        except TimeoutError as error:
            raise Unreachable(
                f"A node had room, but no process started there in {_START_TIMEOUT:g} seconds.",
                retry_after=1,
            ) from error
        return actor

    async def close(self) -> None:
        """Leave the cluster. One that was started for the server ends."""
        await asyncio.to_thread(ray.shutdown)
