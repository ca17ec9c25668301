"""What a cell produces, and how each becomes Jupyter messages.

An `Event` turns itself into the IOPub messages of the Jupyter protocol (`messages`), as pairs of
message type and content. `outputs.py` makes them from what the service sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

Message = tuple[str, dict[str, Any]]

# Characters of a stream in one message. Jupyter Server counts 1,000 messages a second and
# 1 MB/s of stream text over 3 s: of either this leaves much room.
STREAM_CHUNK = 65_536

_WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True, slots=True)
class Stream:
    """Text printed to `stdout` or `stderr` (`name`)."""

    name: str
    text: str

    def messages(self, _count: int) -> Iterator[Message]:
        """A `stream` message for each chunk; a chunk ends at a line's end where there is one."""
        start = 0
        while start < len(self.text):
            end = min(start + STREAM_CHUNK, len(self.text))
            if end < len(self.text):
                end = self.text.rfind("\n", start, end) + 1 or end
            yield "stream", {"name": self.name, "text": self.text[start:end]}
            start = end


@dataclass(frozen=True, slots=True)
class Display:
    """A MIME bundle that the code displayed.

    Attributes:
        data: by MIME type.
        metadata: such as an image's width; by MIME type.
        transient: what is not kept, such as the id by which the display is updated.
        update: whether it takes the place of earlier displays with its id.
    """

    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    transient: Mapping[str, Any] = field(default_factory=dict)
    update: bool = False

    def messages(self, _count: int) -> Iterator[Message]:
        """One `display_data` or `update_display_data` message."""
        yield (
            "update_display_data" if self.update else "display_data",
            {
                "data": _showable(self.data),
                "metadata": dict(self.metadata),
                "transient": dict(self.transient),
            },
        )


@dataclass(frozen=True, slots=True)
class ClearOutput:
    """What the cell has shown so far is wiped: at once, or when the next output comes (`wait`).

    Attributes:
        wait: whether the old outputs stay until there is a new one.
        notice: the id of the display that alone is to go; see `notices.without_loss`.
    """

    wait: bool = False
    notice: str | None = None

    def messages(self, _count: int) -> Iterator[Message]:
        """One `clear_output` message."""
        yield "clear_output", {"wait": self.wait}


@dataclass(frozen=True, slots=True)
class Result:
    """The MIME bundle of the cell's value."""

    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def messages(self, count: int) -> Iterator[Message]:
        """One `execute_result` message with the cell's execution count."""
        yield (
            "execute_result",
            {
                "data": _showable(self.data),
                "metadata": dict(self.metadata),
                "execution_count": count,
            },
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """What a cell leaves behind for its reply. Nothing of it is published.

    Attributes:
        count: the number of the next cell.
        payload: the reply's payload, such as the text of a pager.
        failed: whether an error ended the cell; it may have shown others and survived them.
        failure: an error that the interpreter has shown as plain text.
    """

    count: int
    payload: Sequence[Mapping[str, Any]]
    failed: bool = False
    failure: Failure | None = None

    def messages(self, _count: int) -> Iterator[Message]:
        """None."""
        yield from ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that ended the cell: in the user's code, or on the way there and back.

    Attributes:
        ename: the exception's name.
        evalue: its message.
        traceback: texts that a frontend joins with line ends; may hold ANSI colours.
    """

    ename: str
    evalue: str
    traceback: list[str]

    @classmethod
    def from_error(cls, error: BaseException) -> Failure:
        """A failure without a stack of ours: what happened, what was lost, what to do next."""
        ename, evalue = type(error).__name__, str(error)
        return cls(ename, evalue, [f"{ename}: {evalue}"])

    def content(self) -> dict[str, Any]:
        """The fields that the `error` message and the error reply share."""
        return {"ename": self.ename, "evalue": self.evalue, "traceback": self.traceback}

    def messages(self, _count: int) -> Iterator[Message]:
        """One `error` message."""
        yield "error", self.content()


Event = Stream | Display | ClearOutput | Result | Failure | Ended


def is_failure(event: Event) -> bool:
    """Whether an event tells of an error."""
    return isinstance(event, Failure) or (isinstance(event, Ended) and event.failure is not None)


def failure_after(failure: Failure | None, event: Event) -> Failure | None:
    """The error that ends a cell, if its events end with this one; `failure`: without this one.

    Code can show errors and go on: the interpreter's own word, where it comes, counts.
    """
    if isinstance(event, Failure):
        return event
    if isinstance(event, Ended):
        return (event.failure or failure) if event.failed else None
    return failure


def outcome(events: Iterable[Event]) -> Failure | None:
    """The error that ended a cell with these events, or None."""
    nothing: Failure | None = None
    return reduce(failure_after, events, nothing)


def with_one_failure(events: Sequence[Event]) -> list[Event]:
    """Events in which a cell ends in one error, where it is not known which one ended it.

    What else went wrong is still shown.
    """
    shown: list[Event] = []
    for event in events:
        if isinstance(event, Failure) and any(isinstance(e, Failure) for e in shown):
            shown.append(Stream("stderr", "\n".join(event.traceback) + "\n"))
        else:
            shown.append(event)
    return shown


def _showable(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """The bundle as it came, but for a widget's view.

    With no comm behind it, a client would show an error in place of the text beside it.
    """
    if _WIDGET in bundle and len(bundle) > 1:
        return {mime: data for mime, data in bundle.items() if mime != _WIDGET}
    return dict(bundle)
