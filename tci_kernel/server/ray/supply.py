"""Makes the workspaces of a server in a Ray cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import ray

from tci_kernel.core.errors import ConfigurationError, RequestRejected
from tci_kernel.server.machine import InterpreterOptions
from tci_kernel.server.ray.actor import HEALTH, SessionActor
from tci_kernel.server.ray.calls import Unreachable, result
from tci_kernel.server.ray.workspace import RayWorkspace
from tci_kernel.server.session_ids import new_session_id
from tci_kernel.server.workspace import WorkspaceLost

# How many calls an actor may have: those of clients that wait for news of their interpreter.
_MOST_CALLS = 1_000


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
        actor = ray.remote(concurrency_groups={HEALTH: 1})(SessionActor)
        try:
            self._actors: Any = actor.options(
                num_cpus=cpus,
                memory=memory or None,
                num_gpus=gpus,
                max_restarts=0,  # another process would not have the session's variables
                max_concurrency=_MOST_CALLS,
                scheduling_strategy="SPREAD",
            )
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
        actor = self._actors.remote(self._options, self._last_number)
        await self._wait_for_room(actor)
        workspace = RayWorkspace(new_session_id(), actor)
        try:
            await workspace.start()
        except WorkspaceLost as lost:
            workspace.kill()
            raise _lost(lost) from lost
        except BaseException:
            workspace.kill()
            raise
        return workspace

    async def _wait_for_room(self, actor: Any) -> None:
        """Wait until an actor has a node, or end it."""
        try:
            async with asyncio.timeout(self._wait):
                await result(actor.placed.remote())
        except TimeoutError as error:
            ray.kill(actor)
            raise RequestRejected(
                f"No node of the Ray cluster had room for a session in {self._wait:g} seconds.",
                status=429,
                code="cluster_full",
                retry_after=max(1, round(self._wait)),
            ) from error
        except WorkspaceLost as lost:
            raise _lost(lost) from lost
        except BaseException:
            ray.kill(actor)
            raise

    async def close(self) -> None:
        """Leave the cluster. One that was started for the server ends."""
        await asyncio.to_thread(ray.shutdown)


def _lost(lost: WorkspaceLost) -> RequestRejected:
    """What is told to who asked for a session whose node went away before it began."""
    return Unreachable(f"No session began: {lost}.", retry_after=1)
