"""A request on its way to the service: watched while it runs, sent again only if it never ran."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from tci_kernel.client.failures import failure
from tci_kernel.client.retry import Backoff
from tci_kernel.client.schema import ExecuteResponse
from tci_kernel.core.errors import TCIError
from tci_kernel.core.text import duration, wrapped

# Seconds after which a running cell shows for how long it has run, and between two updates.
NOTICE_AFTER = 3.0
NOTICE_INTERVAL = 1.0

Send = Callable[[], Coroutine[Any, Any, ExecuteResponse]]


class Sending:
    """One request on its way.

    Args:
        send: makes one attempt.
        retry_for: seconds that all pauses between attempts may take.
        cell_timeout: seconds that one attempt may take, or None.

    Attributes:
        answer: what came back, once `progress` has ended; None before.
        is_out: whether an attempt is on its way, so that code may be running.
    """

    def __init__(self, send: Send, *, retry_for: float, cell_timeout: float | None) -> None:
        self._send = send
        self._backoff = Backoff(retry_for)
        self._limit = float("inf") if cell_timeout is None else cell_timeout
        self.answer: ExecuteResponse | None = None
        self.is_out = False

    async def progress(self) -> AsyncGenerator[str]:
        """Send until there is an answer, and say meanwhile what is waited for.

        Closed or cancelled, it drops the request, and ends when its connection is closed.

        Raises:
            TCIError: the last attempt's failure.
        """
        while True:
            self.is_out = True
            request = asyncio.create_task(self._send())
            start = time.monotonic()
            try:
                while not await self._is_done(request, start):
                    yield f"Running for {duration(time.monotonic() - start)}"
                self.answer = request.result()
                self.is_out = False
                return
            except TCIError as error:
                pause = self._backoff.pause(error) if error.sent_again else None
                if pause is None:
                    raise
                reason = error.what
            finally:
                await _drop(request)
            self.is_out = False
            end = time.monotonic() + pause
            while (left := end - time.monotonic()) > 0:
                yield wrapped(f"{reason}\nTrying again in {duration(left + 0.5)}")
                await asyncio.sleep(min(left, NOTICE_INTERVAL))

    async def _is_done(self, request: asyncio.Task[ExecuteResponse], start: float) -> bool:
        """Wait a little for an attempt; whether it has ended."""
        elapsed = time.monotonic() - start
        step = NOTICE_INTERVAL if elapsed >= NOTICE_AFTER else NOTICE_AFTER - elapsed
        await asyncio.wait({request}, timeout=max(0.0, min(step, self._limit - elapsed)))
        if not request.done() and time.monotonic() - start >= self._limit:
            raise failure("cell timeout", f"The code took longer than {self._limit:g} s.")
        return request.done()


async def _drop(request: asyncio.Task[ExecuteResponse]) -> None:
    """Have an attempt end, if it has not, and its connection with it."""
    if not request.done():
        request.cancel()
        await asyncio.wait({request})
    if not request.cancelled():
        request.exception()  # asyncio complains of one that nobody has asked for
