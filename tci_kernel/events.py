"""What a cell produces, and how each becomes Jupyter messages.

An `Event` is made from what the service sent (`from_output`) and turns itself into the IOPub
messages of the Jupyter protocol (`messages`), as pairs of message type and content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tci_kernel.schema import Output
from tci_kernel.tracebacks import parse_error

Message = tuple[str, dict[str, Any]]

# Characters of a stream in one message. Jupyter Server counts 1,000 messages a second and
# 1 MB/s of stream text over 3 s: of either this leaves much room.
STREAM_CHUNK = 65_536

_MIME_TYPE = re.compile(r"[\w+.-]+/[\w+.-]+")

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
    """A MIME bundle that is displayed; one with an id can be updated."""

    data: Mapping[str, Any]
    display_id: str | None = None

    def messages(self, _count: int) -> Iterator[Message]:
        """One `display_data` message."""
        transient = {} if self.display_id is None else {"display_id": self.display_id}
        yield "display_data", {"data": _showable(self.data), "metadata": {}, "transient": transient}


@dataclass(frozen=True, slots=True)
class DisplayUpdate:
    """A MIME bundle that takes the place of an earlier one with the same id."""

    data: Mapping[str, Any]
    display_id: str

    def messages(self, _count: int) -> Iterator[Message]:
        """One `update_display_data` message."""
        transient = {"display_id": self.display_id}
        yield (
            "update_display_data",
            {"data": _showable(self.data), "metadata": {}, "transient": transient},
        )


@dataclass(frozen=True, slots=True)
class ClearOutput:
    """What the cell has shown so far is wiped."""

    def messages(self, _count: int) -> Iterator[Message]:
        """One `clear_output` message."""
        yield "clear_output", {"wait": False}


@dataclass(frozen=True, slots=True)
class Result:
    """The MIME bundle of the cell's value."""

    data: Mapping[str, Any]

    def messages(self, count: int) -> Iterator[Message]:
        """One `execute_result` message with the cell's execution count."""
        yield (
            "execute_result",
            {"data": _showable(self.data), "metadata": {}, "execution_count": count},
        )


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


Event = Stream | Display | DisplayUpdate | ClearOutput | Result | Failure


def from_output(output: Output) -> Event:
    """The event that an output of the service stands for. Takes whatever arrives."""
    match output.type:
        case "error":
            return Failure(*parse_error(_text(output.data)))
        case "display_data" if output.data is not None:
            return Display(_bundle(output.data))
        case "execute_result" if output.data is not None:
            return Result(_bundle(output.data))
        case "stderr":
            return Stream("stderr", _text(output.data))
        case _:
            # A type unknown to us is shown rather than lost; one without data has nothing to show.
            return Stream("stdout", _text(output.data))


def _text(data: Any) -> str:
    if data is None:
        return ""
    return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)


def _bundle(data: Any) -> Mapping[str, Any]:
    """A MIME bundle; one client's tests show a bare string in its place.

    The protocol has no room for data without a MIME type: it is shown as text.
    """
    if not isinstance(data, dict):
        return {"text/plain": _text(data)}
    bundle = {mime: value for mime, value in data.items() if _MIME_TYPE.fullmatch(mime)}
    return bundle if bundle or not data else {"text/plain": _text(data)}


def _showable(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """The bundle as it came, but for a widget's view.

    With no comm behind it, a client would show an error in place of the text beside it.
    """
    if _WIDGET in bundle and len(bundle) > 1:
        return {mime: data for mime, data in bundle.items() if mime != _WIDGET}
    return dict(bundle)
