"""Calls of actors: what they give, how they fail, and that they end with who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

from tci_kernel.core.errors import RequestRejected, TCIError
from tci_kernel.server.workspace import WorkspaceLost


async def result(call: Awaitable[Any]) -> Any:
    """What a call gives. If whoever waits is cancelled, the call is cancelled in the actor too.

    Args:
        call: what `remote` has given.

    Raises:
        RequestRejected: the actor says so, it could not be made, or it can't be reached now.
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
        raise RequestRejected(
            "The node that the session runs on can't be reached.",
            status=503,
            code="node_unreachable",
        ) from error
    except ActorDiedError as error:
        if error.actor_init_failed:
            raise _rejection(error) from error
        raise WorkspaceLost("the node that it ran on, or its process there, has gone") from error


def _rejection(error: Any) -> RequestRejected:
    """What a caller is told: what the actor has said, with all its fields."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, RequestRejected):
        return cause
    said = cause if isinstance(cause, TCIError) else error
    return RequestRejected(
        f"On its node, the session failed: {said}", status=500, code="node_failed"
    )
