"""Calls of actors: what they give, how they fail, and that they end with who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

from tci_kernel.core.errors import RequestRejected
from tci_kernel.server.workspace import WorkspaceLost


class Unreachable(RequestRejected):
    """An actor can't be reached: for a moment, or because it is gone."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message, status=503, code="node_unreachable", retry_after=retry_after)


async def result(call: Awaitable[Any]) -> Any:
    """What a call gives. If whoever waits is cancelled, the call is cancelled in the actor too.

    Args:
        call: what `remote` has given.

    Raises:
        RequestRejected: the actor says so, or it could not be made.
        Unreachable: it can't be reached now. Whether it has the call nobody knows.
        WorkspaceLost: the actor is gone.
    """
    try:
        return await call
    except asyncio.CancelledError:
        ray.cancel(call)
        raise
    except RayTaskError as error:
        raise _rejection(error) from error
    except ActorUnavailableError as error:
        raise Unreachable("The node that the session runs on can't be reached.") from error
    except ActorDiedError as error:
        if error.actor_init_failed:
            raise _rejection(error) from error
        raise WorkspaceLost("the node that it ran on, or its process there, has gone") from error


def _rejection(error: Any) -> RequestRejected:
    """What a caller is told: what the actor has said, with all its fields."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, RequestRejected):
        return cause
    said = error if cause is None else cause  # without the lines of Ray's own report
    return RequestRejected(
        f"On its node, the session failed: {said}", status=500, code="interpreter_failed"
    )
