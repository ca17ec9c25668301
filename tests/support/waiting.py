"""Waiting for what happens elsewhere: each wait has an end, and says then what it was for."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

# Seconds for anything that has to happen; generous, since machines that test are busy.
PATIENCE = 60.0

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Ask until the answer is true, and give it.

    Args:
        condition: what is asked.
        what: what is waited for, as the failure says it.
        seconds: after which the wait has failed.
    """
    limit = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > limit:
            raise TimeoutError(f"Not in {seconds:g} s: {what}")
        time.sleep(0.01)
    return found


async def soon(condition: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """As `until`, while the event loop goes on."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > limit:
            raise TimeoutError(f"Not in {seconds:g} s: {what}")
        await asyncio.sleep(0.01)
    return found


def received(get: Callable[..., Any], what: str) -> Iterator[dict[str, Any]]:
    """The messages of a channel as they come, until none comes for long.

    Args:
        get: takes one from the channel.
        what: what is waited for, as the failure says it.
    """
    while True:
        try:
            message = get(timeout=PATIENCE)
        except queue.Empty:
            raise TimeoutError(f"{PATIENCE:g} s without a message: no {what}") from None
        yield message
