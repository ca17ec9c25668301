"""What comes of code that runs: one value for each thing that it shows, and all of them together.

They are made of Jupyter's messages. One that a script has no use for, such as a widget's, comes as
the `Message` that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tci_kernel.core.errors import CodeFailed
from tci_kernel.core.messages import Message
from tci_kernel.core.text import without_colours

__all__ = [
    "Clear",
    "Display",
    "Error",
    "Event",
    "Message",
    "Question",
    "Reply",
    "Result",
    "Stream",
    "Value",
]


@dataclass(frozen=True, slots=True)
class Stream:
    """Text that was printed.

    Attributes:
        name: `stdout` or `stderr`.
        text: as it was printed, controls of terminals included.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Display:
    """Something that was displayed, in all the forms that it has.

    Attributes:
        data: the forms, by MIME type; binary ones such as `image/png` in base64.
        metadata: such as an image's width; by MIME type.
        display_id: the name by which later displays take its place, where it has one.
        is_update: whether it takes the place of those with its `display_id`.
    """

    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    display_id: str | None = None
    is_update: bool = False

    @property
    def text(self) -> str:
        """It as plain text; empty where it has no such form."""
        return _text(self.data)


@dataclass(frozen=True, slots=True)
class Value:
    """The value of the code's last line, if that is an expression and not None.

    Attributes:
        data: its forms, as of `Display`.
        metadata: as of `Display`.
    """

    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """It as plain text, as Python's prompt would show it."""
        return _text(self.data)


@dataclass(frozen=True, slots=True)
class Clear:
    """What was shown so far is wiped, as `clear_output()` asks for.

    Attributes:
        wait: whether only when the next output comes.
    """

    wait: bool


@dataclass(frozen=True, slots=True)
class Error:
    """The exception that ended the code.

    Attributes:
        name: its class, such as `ZeroDivisionError`; `KeyboardInterrupt` if it was interrupted.
        value: its text.
        traceback: its lines, or blocks of lines; may hold ANSI colours.
    """

    name: str
    value: str
    traceback: Sequence[str]

    @property
    def text(self) -> str:
        """The traceback as plain text."""
        return without_colours("\n".join(self.traceback))


@dataclass(frozen=True, slots=True)
class Reply:
    """The code has ended: the last event.

    Attributes:
        number: the one that it has in the session, as in IPython's `In [number]`.
        error: the exception that ended it, which has come before; None if it succeeded.
    """

    number: int
    error: Error | None = None


Event = Stream | Display | Value | Clear | Error | Reply | Message


@dataclass(frozen=True, slots=True)
class Question:
    """What the code asks, by `input()` or `getpass()`, and waits for.

    Attributes:
        prompt: what the user is to read.
        hidden: whether the answer is not to be seen, as with a password.
    """

    prompt: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Result:
    """All that came of code, as a notebook would keep it.

    What it has wiped by `clear_output()` is not there, and a display that took the place of another
    is.

    Attributes:
        stdout: what it printed.
        stderr: what it printed there.
        displays: what it displayed.
        value: that of its last line; None if it has none.
        error: the exception that ended it; None if it succeeded.
        number: as of `Reply`.
    """

    stdout: str
    stderr: str
    displays: Sequence[Display]
    value: Value | None
    error: Error | None
    number: int

    def raise_for_error(self) -> Result:
        """Raise an exception if the code did; else give this result, for what is to be done next.

        Raises:
            CodeFailed: the code failed; its text is the traceback.
        """
        if self.error is not None:
            raise CodeFailed(self.error.name, self.error.value, self.error.traceback)
        return self


class Collector:
    """Makes a `Result` of events."""

    def __init__(self) -> None:
        self._shown: list[Event] = []
        self._reply = Reply(0)
        self._clears_next = False

    def add(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, Clear):
            self._clears_next = event.wait
            if not event.wait:
                self._shown.clear()
        elif isinstance(event, Reply):
            self._reply = event
        else:
            if self._clears_next:
                self._shown.clear()
                self._clears_next = False
            self._show(event)

    def _show(self, event: Event) -> None:
        if not (isinstance(event, Display) and event.is_update):
            self._shown.append(event)
            return
        for place, shown in enumerate(self._shown):
            if isinstance(shown, Display) and shown.display_id == event.display_id:
                self._shown[place] = replace(event, is_update=False)

    def result(self) -> Result:
        """What has come so far."""
        return Result(
            stdout=self._printed("stdout"),
            stderr=self._printed("stderr"),
            displays=[event for event in self._shown if isinstance(event, Display)],
            value=next((one for one in reversed(self._shown) if isinstance(one, Value)), None),
            error=self._reply.error,
            number=self._reply.number,
        )

    def _printed(self, name: str) -> str:
        streams = (one for one in self._shown if isinstance(one, Stream) and one.name == name)
        return "".join(stream.text for stream in streams)


def event_of(message: Message) -> Event:
    """The event that a message of running code stands for."""
    make = _KINDS.get(message.type)
    return message if make is None else make(message.content)


def _display(content: Mapping[str, Any]) -> Display:
    display_id = content.get("transient", {}).get("display_id")
    return Display(content["data"], content.get("metadata", {}), display_id)


def _error(content: Mapping[str, Any]) -> Error:
    name, value = content.get("ename", "Aborted"), content.get("evalue", "the code did not run")
    return Error(str(name), str(value), [str(line) for line in content.get("traceback", ())])


def _reply(content: Mapping[str, Any]) -> Reply:
    number = content.get("execution_count")
    error = None if content.get("status") == "ok" else _error(content)
    return Reply(number if isinstance(number, int) else 0, error)


def _text(data: Mapping[str, Any]) -> str:
    return str(data.get("text/plain", ""))


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Event]] = {
    "stream": lambda content: Stream(content["name"], content["text"]),
    "display_data": _display,
    "update_display_data": lambda content: replace(_display(content), is_update=True),
    "execute_result": lambda content: Value(content["data"], content.get("metadata", {})),
    "clear_output": lambda content: Clear(bool(content.get("wait"))),
    "error": _error,
    "execute_reply": _reply,
}
