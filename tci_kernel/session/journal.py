"""What ran in a notebook: when, where, how it ended, and what it showed, as far as that is kept."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tci_kernel.core.cell import Cell
from tci_kernel.core.lines import split
from tci_kernel.core.messages import Message
from tci_kernel.session.notice import ShownOutputs

# Cells that are remembered, and bytes of all that they have shown.
MOST_CELLS = 1_000
MOST_BYTES = 32_000_000


@dataclass
class Entry:
    """A cell that runs, or has run.

    Attributes:
        number: the cell's.
        code: as the user wrote it.
        started_at: when.
        seconds: how long it took; None while it runs.
        session_id: where it ran; None where that was nowhere.
        outcome: `ok`, or the name of its error; empty while it runs.
        shown: what it has shown.
        size: about how many bytes that has, once the cell has ended.
    """

    number: int
    code: str
    started_at: datetime
    seconds: float | None = None
    session_id: str | None = None
    outcome: str = ""
    shown: ShownOutputs = field(default_factory=ShownOutputs)
    size: int = 0

    @property
    def ran_code(self) -> bool:
        """Whether there was more in it than `%tci` lines."""
        return bool(split(self.code)[1].strip())


class Journal:
    """The cells of a notebook, in the order in which they ran; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MOST_CELLS)
        self._begun: dict[int, float] = {}

    def begin(self, cell: Cell) -> Entry:
        """Note that a cell begins. One that the user has not run is not remembered."""
        entry = Entry(cell.number, cell.code, datetime.now(UTC))
        self._begun[id(entry)] = time.monotonic()
        if not cell.hidden:
            self._entries.append(entry)
        return entry

    def end(self, entry: Entry, reply: Mapping[str, Any], session_id: str | None) -> None:
        """Note how a cell has ended.

        Args:
            entry: the cell.
            reply: the content of its reply.
            session_id: where it ran.
        """
        entry.seconds = time.monotonic() - self._begun.pop(id(entry))
        entry.outcome = "ok" if reply.get("status") == "ok" else str(reply.get("ename"))
        entry.session_id = session_id
        if not entry.ran_code:  # what it has shown can be asked for again
            entry.shown = ShownOutputs()
        entry.size = sum(map(_bytes, entry.shown.messages()))
        left = MOST_BYTES
        for kept in reversed(self._entries):
            left -= kept.size
            if left < 0 and kept.size:
                kept.shown, kept.size = ShownOutputs(), 0

    @property
    def entries(self) -> Sequence[Entry]:
        """The cells, the oldest first."""
        return tuple(self._entries)


def _bytes(message: Message) -> int:
    """About how many bytes a message has."""
    content = message.content
    data = content.get("data")
    texts = [*data.values()] if isinstance(data, Mapping) else [content.get("text", "")]
    return sum(len(text if isinstance(text, str) else repr(text)) for text in texts)
