"""What a user reads while nothing else can be shown: how long a cell runs, why it waits.

A notice is a display of its own that is updated in place and wiped when the cell's output comes,
so that no saved notebook keeps it. Jupyter can wipe all that a cell has shown or nothing, so what
was shown before the notice is then shown again.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from tci_kernel.core.messages import ClearOutput, Display, Event


class Notice:
    """The one notice of a cell.

    Args:
        enabled: whether somebody sits in front of the cell; else nothing is ever shown.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._display_id: str | None = None

    def show(self, text: str) -> Iterator[Event]:
        """Show a text, in place of the one before."""
        if not self._enabled:
            return
        update = self._display_id is not None
        self._display_id = self._display_id or uuid.uuid4().hex
        transient = {"display_id": self._display_id}
        yield Display({"text/plain": text}, transient=transient, update=update)

    @property
    def is_shown(self) -> bool:
        """Whether there is something to take away."""
        return self._display_id is not None

    def replace(self, display: Display) -> Iterator[Event]:
        """Show something that stays, in the notice's place if there is one."""
        display_id, self._display_id = self._display_id, None
        if display_id is None:
            yield display
        else:
            yield Display(
                display.data, display.metadata, transient={"display_id": display_id}, update=True
            )

    def wipe(self) -> Iterator[Event]:
        """Take the notice away, if there is one."""
        if self._display_id is not None:
            display_id, self._display_id = self._display_id, None
            yield ClearOutput(notice=display_id)


async def without_loss(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """A cell's events, in which what was shown before a notice comes again when that is wiped."""
    shown: dict[object, Event] = {}  # displays by their ids
    async for event in events:
        match event:
            case ClearOutput(notice=str()):
                shown.pop(event.notice, None)
                yield replace(event, wait=bool(shown))
                for earlier in shown.values():
                    yield earlier
                continue
            case ClearOutput():
                shown.clear()
            case Display(transient={"display_id": str() as name}):
                shown[name] = replace(event, update=event.update and name not in shown)
            case _:
                shown[object()] = event
        yield event
