"""A cell's way to the service: sent, watched while it runs, sent again only if it never ran."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tci_kernel.client.failures import failure
from tci_kernel.client.retry import Backoff
from tci_kernel.client.schema import ExecuteResponse
from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import Event
from tci_kernel.session.notice import Notice

# Seconds after which a running cell shows for how long it has run, and between two updates.
NOTICE_AFTER = 3.0
NOTICE_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class Cell:
    """Code that is to run.

    Attributes:
        code: sent verbatim.
        hidden: the user did not run it: it starts no session and is not replayed.
        interactive: somebody sits in front of it and may be shown notices.
        number: the number that it has in the notebook; None where that does not matter.
    """

    code: str
    hidden: bool = False
    interactive: bool = False
    number: int | None = None


Send = Callable[[], Coroutine[Any, Any, ExecuteResponse]]


async def deliver(
    send: Send,
    notice: Notice,
    *,
    retry_for: float,
    cell_timeout: float | None,
) -> AsyncIterator[Event | ExecuteResponse]:
    """Send a request, show what it waits for, and end in the answer.

    If the iteration is cancelled, so is the request: its connection is dropped.

    Args:
        send: makes one attempt.
        notice: what the user sees meanwhile.
        retry_for: seconds that all pauses between attempts may take.
        cell_timeout: seconds that one attempt may take, or None.

    Raises:
        TCIError: the last attempt's failure.
    """
    try:
        async for item in _attempts(send, notice, Backoff(retry_for), cell_timeout):
            if isinstance(item, ExecuteResponse):
                for event in notice.wipe():
                    yield event
            yield item
    except (TCIError, asyncio.CancelledError):
        for event in notice.wipe():
            yield event
        raise


async def _attempts(
    send: Send, notice: Notice, backoff: Backoff, cell_timeout: float | None
) -> AsyncIterator[Event | ExecuteResponse]:
    while True:
        request = asyncio.create_task(send())
        try:
            async for event in _watch(request, notice, cell_timeout):
                yield event
            yield request.result()
            return
        except TCIError as error:
            pause = backoff.pause(error)
            if pause is None:
                raise
            reason = str(error).splitlines()[0]
        finally:
            request.cancel()
        async for event in _pause(pause, reason, notice):
            yield event


async def _watch(
    request: asyncio.Task[ExecuteResponse], notice: Notice, cell_timeout: float | None
) -> AsyncIterator[Event]:
    """Wait for a request, and show for how long it has run."""
    start = time.monotonic()
    limit = float("inf") if cell_timeout is None else cell_timeout
    step = NOTICE_AFTER
    while not request.done():
        left = limit - (time.monotonic() - start)
        await asyncio.wait({request}, timeout=max(0.0, min(step, left)))
        elapsed = time.monotonic() - start
        if request.done():
            return
        if elapsed >= limit:
            raise failure("cell timeout", f"The code took longer than {limit:g} s.")
        for event in notice.show(f"Running for {duration(elapsed)}"):
            yield event
        step = NOTICE_INTERVAL


async def _pause(seconds: float, reason: str, notice: Notice) -> AsyncIterator[Event]:
    """Wait, and show how long it will take."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for event in notice.show(f"{reason}\nTrying again in {duration(left + 0.5)}"):
            yield event
        await asyncio.sleep(min(left, NOTICE_INTERVAL))


def duration(seconds: float) -> str:
    """A duration as people write it: 42 s, 3 min 5 s, 2 h 10 min, 30 d 0 h."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
