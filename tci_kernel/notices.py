"""What a user reads while nothing else can be shown: how long a cell runs, why it waits.

A notice is a display of its own that is updated in place and wiped when the cell's output comes,
so that no saved notebook keeps it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from tci_kernel.events import ClearOutput, Display, Event


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
        """Show something that stays, in the notice's place if there is one.

        Unlike `wipe`, it leaves alone what the cell has shown before.
        """
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
            self._display_id = None
            yield ClearOutput()
