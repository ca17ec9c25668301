"""What a user reads while nothing else can be shown: how long a cell runs, why it waits.

A notice is a display of its own that is updated in place and wiped when the cell's output comes,
so that no saved notebook keeps it. Jupyter can wipe all that a cell has shown or nothing, so what
was shown before the notice is then shown again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import Message, display


@dataclass(frozen=True, slots=True)
class NoticeWiped(Message):
    """A `clear_output` that is meant for a notice alone.

    Attributes:
        display_id: the notice's.
    """

    display_id: str = ""


class Notice:
    """The one notice of a cell.

    Args:
        enabled: whether somebody sits in front of the cell; else nothing is ever shown.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._display_id: str | None = None

    def show(self, text: str) -> Iterator[Message]:
        """Show a text, in place of the one before."""
        if not self._enabled:
            return
        update = self._display_id is not None
        self._display_id = self._display_id or uuid.uuid4().hex
        transient = {"display_id": self._display_id}
        yield display({"text/plain": text}, transient=transient, update=update)

    @property
    def is_shown(self) -> bool:
        """Whether there is something to take away."""
        return self._display_id is not None

    def replace(self, message: Message) -> Iterator[Message]:
        """Show a display that stays, in the notice's place if there is one."""
        display_id, self._display_id = self._display_id, None
        if display_id is None:
            yield message
        else:
            content = {**message.content, "transient": {"display_id": display_id}}
            yield Message("update_display_data", content)

    def wipe(self) -> Iterator[Message]:
        """Take the notice away, if there is one."""
        if self._display_id is not None:
            display_id, self._display_id = self._display_id, None
            yield NoticeWiped("clear_output", {"wait": False}, display_id=display_id)


async def noticed(texts: AsyncGenerator[str], notice: Notice) -> AsyncGenerator[Message]:
    """Show texts in a notice as they come, and take it away at their end, however that comes."""
    try:
        async with aclosing(texts):
            async for text in texts:
                for message in notice.show(text):
                    yield message
    except (TCIError, asyncio.CancelledError):
        for message in notice.wipe():
            yield message
        raise
    for message in notice.wipe():
        yield message


class ShownOutputs:
    """What a cell has shown so far, for it to be shown again once a notice below it is wiped."""

    def __init__(self) -> None:
        self._shown: dict[object, Message] = {}  # displays by their ids
        self._clears_next = False  # once something follows

    def messages(self) -> list[Message]:
        """What is shown."""
        return [*self._shown.values()]

    def publishable(self, message: Message) -> Iterator[Message]:
        """The messages to publish in the place of one."""
        if self._clears_next and message.type != "clear_output":
            self._shown.clear()
            self._clears_next = False
        if isinstance(message, NoticeWiped):
            self._shown.pop(message.display_id, None)
            yield Message("clear_output", {"wait": bool(self._shown)})
            yield from self._shown.values()
            return
        if message.type == "clear_output":
            self._clears_next = bool(message.content.get("wait"))
            if not self._clears_next:
                self._shown.clear()
        else:
            self._keep(message)
        yield message

    def _keep(self, message: Message) -> None:
        display_id = message.content.get("transient", {}).get("display_id")
        if display_id is None:
            self._shown[object()] = message
        elif message.type == "update_display_data" and display_id not in self._shown:
            self._shown[display_id] = message
        else:
            self._shown[display_id] = replace(message, type="display_data")
