"""What is asked beside the cells: nobody waits long for it, and a late answer is not lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from tci_kernel.core.messages import Message
from tci_kernel.session.runner import INSPECTION_LIMIT, QUESTION_LIMIT

# Seconds that who asks waits. What is not named here is waited for.
_LIMITS: Mapping[str, float] = {
    "complete_request": QUESTION_LIMIT,
    "inspect_request": INSPECTION_LIMIT,
    "comm_info_request": QUESTION_LIMIT,
    "usage_request": QUESTION_LIMIT,
}

Exchanged = Callable[[Message], Coroutine[Any, Any, Message | None]]


class Questions:
    """Asks the interpreter, and keeps the answer to the last question for when it is asked again.

    A question that takes longer goes on: an import that it began, for instance, is not cut short.

    Args:
        exchanged: gets the reply to a request, however long that takes.
    """

    def __init__(self, exchanged: Exchanged) -> None:
        self._exchanged = exchanged
        self._asked: dict[str, asyncio.Task[Message | None]] = {}
        self._going_on: set[asyncio.Task[Message | None]] = set()

    async def ask(self, request: Message) -> Message | None:
        """The reply to a request; None where it takes too long, or none comes."""
        if request.type not in _LIMITS:
            return await self._exchanged(request)
        question = json.dumps([request.type, request.content], default=str)
        asked = self._asked.get(question) or self._begin(request)
        self._asked[question] = asked
        await asyncio.wait({asked}, timeout=_LIMITS[request.type])
        if not asked.done():
            return None
        if self._asked.get(question) is asked:
            del self._asked[question]
        return None if asked.cancelled() or asked.exception() else asked.result()

    def forget(self) -> None:
        """Keep no answer from before a cell, which may change what it says."""
        self._asked.clear()

    def close(self) -> None:
        """Wait for no answer any more."""
        for asked in self._going_on:
            asked.cancel()

    def _begin(self, request: Message) -> asyncio.Task[Message | None]:
        asked = asyncio.create_task(self._exchanged(request))
        self._going_on.add(asked)
        asked.add_done_callback(self._end)
        return asked

    def _end(self, asked: asyncio.Task[Message | None]) -> None:
        self._going_on.discard(asked)
        if not asked.cancelled():
            asked.exception()  # asyncio complains of one that nobody has asked for
