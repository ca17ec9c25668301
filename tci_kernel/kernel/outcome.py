"""What a cell's events leave for the reply to its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tci_kernel.core.messages import Ended, Event, Failure, Result, failure_after


@dataclass(slots=True)
class Outcome:
    """What a cell's reply must hold.

    Attributes:
        failure: the error that the cell ended in.
        payload: such as the text of a pager.
        result: the text of the cell's value.
        next_count: the number of the next cell, where the interpreter says it.
    """

    failure: Failure | None = None
    payload: Sequence[Mapping[str, Any]] = ()
    result: str | None = None
    next_count: int | None = None

    def note(self, event: Event) -> None:
        """Take from an event what the reply must hold."""
        self.failure = failure_after(self.failure, event)
        if isinstance(event, Result):
            self.result = str(event.data.get("text/plain", ""))
        elif isinstance(event, Ended):
            self.payload = event.payload
            self.next_count = event.count
