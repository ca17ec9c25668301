"""What is to be sent to a session's interpreter or relay: numbered, until it has arrived."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tci_kernel.core.cell import File
from tci_kernel.core.errors import TCIError

# What became of code that is not waited for any more.
GOING_ON = (
    "The code goes on there: the next cell, or '%tci attach', brings what it prints meanwhile."
)
STOPPING = "The code goes on there until the service is reached again: then it is interrupted."
_MAYBE = "The code may have arrived: then the next cell, or '%tci attach', brings what it prints."


@dataclass(slots=True)
class _Numbered:
    """A message.

    Attributes:
        number: its place among all that was sent.
        text: as JSON.
        files: written into the session's working directory first.
    """

    number: int
    text: str
    files: Sequence[File] = ()


class Outgoing:
    """The messages that are not known to have arrived, in their order.

    Attributes:
        last: the number of the last message that was added.
    """

    def __init__(self) -> None:
        self._messages: deque[_Numbered] = deque()
        self._tried = 0  # the number of the last message that may have arrived
        self._going = 0  # that of the last one in the present attempt
        self._changed = asyncio.Event()
        self.last = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def first(self) -> int:
        """The number of the first message here; of the next one, where there is none."""
        return self._messages[0].number if self._messages else self.last + 1

    def add(
        self, channel: str, message: Mapping[str, Any] | None = None, files: Sequence[File] = ()
    ) -> int:
        """Add a message; gives its number.

        Args:
            channel: one of the interpreter's, or what the relay is to do.
            message: its header, content, metadata and buffers, as JSON has them.
            files: written into the session's working directory first.
        """
        self.last += 1
        text = json.dumps({"channel": channel, **(message or {})})
        self._messages.append(_Numbered(self.last, text, files))
        self._changed.set()
        return self.last

    async def wait_for_change(self, limit: float | None) -> None:
        """Wait until there is a message, or for some seconds."""
        if not self._messages:
            self._changed.clear()
            waiting = asyncio.create_task(self._changed.wait())
            await asyncio.wait({waiting}, timeout=limit)
            waiting.cancel()

    async def wait_for_another(self) -> None:
        """Wait until a message is added that `take` has not given."""
        await self._changed.wait()

    def take(self) -> list[tuple[str, Sequence[File]]]:
        """The texts of all messages, each with its files, for an attempt to send them."""
        self._changed.clear()
        self._going = self.last
        return [(message.text, message.files) for message in self._messages]

    def note_tried(self) -> None:
        """Note that what `take` gave last may have arrived."""
        self._tried = self._going

    def acknowledge(self, number: int) -> None:
        """Forget what has arrived, up to a number."""
        while self._messages and self._messages[0].number <= number:
            self._messages.popleft()

    def withdraw(self, number: int) -> str:
        """Send a message no more, if it has not arrived; gives what became of what it brings."""
        for message in self._messages:
            if message.number == number:
                message.text, message.files = '{"channel": "none"}', ()
                return _MAYBE if number <= self._tried else "The code did not run."
        return GOING_ON

    def give_up(self, error: TCIError) -> None:
        """Send nothing any more of what waits: it must not run when nobody expects it.

        Args:
            error: what has failed; it tells then what became of the first message.
        """
        waits = [message.number for message in self._messages]
        fates = [self.withdraw(number) for number in waits]
        if waits and waits[0] <= self._tried:
            error.may_have_run = True
            error.fate = fates[0]
