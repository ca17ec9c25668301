"""An exchange: numbered messages go in, numbered messages come out. See `docs/exchange.md`.

What comes from the session is never trusted: it may be anything.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tci_kernel.client.schema import MAX_DEPTH, Output, carried, decoded
from tci_kernel.core.messages import Message
from tci_kernel.remote.exchanges import VERSION
from tci_kernel.remote.relay import BEGIN, END, MODULE

# What begins and ends a level of JSON; a text is found whole, since what is in it does neither.
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')

# The states of an interpreter that matter here, as `remote/interpreter.py` names them.
DEAD, FAILED = "dead", "failed"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message of the interpreter.

    Attributes:
        channel: which it came on: `iopub`, `shell`, `control` or `stdin`.
        message: what it says.
        parent_id: the id of the request that it belongs to; empty if there is none.
    """

    channel: str
    message: Message
    parent_id: str


@dataclass(frozen=True, slots=True)
class Interpreter:
    """How the interpreter is.

    Attributes:
        number: how many there have been, with this one.
        state: `starting`, `ready`, `dead` or `failed`: it never answered.
        reason: how it died, or why it failed.
        before: how the one before it died, if it did.
        pid: its process in the session.
        info: the content of its `kernel_info_reply`, where that was asked for.
    """

    number: int = 0
    state: str = ""
    reason: str = ""
    before: str = ""
    pid: int = 0
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an exchange.

    Attributes:
        relay: the relay's id: another one knows nothing of what was exchanged before.
        taken: the number of the last message that it has taken.
        first: the number of the first text.
        texts: the messages, or parts of them, as JSON objects.
        more: whether there is more than has fitted.
        running: the ids of the requests that have not ended, in their order.
        count: the number of the interpreter's next cell.
        took: seconds from the exchange's beginning there to this answer.
        interpreter: how it is.
    """

    relay: str
    taken: int
    first: int
    texts: Sequence[Mapping[str, Any]]
    more: bool
    running: Sequence[str]
    count: int
    took: float
    interpreter: Interpreter


def request_text(fields: Mapping[str, Any], messages: Sequence[str]) -> str:
    """An exchange's request, of messages that are JSON already."""
    head = json.dumps({"version": VERSION, **fields})
    return f'{head[:-1]}, "messages": [{", ".join(messages)}]}}'


def exchange_call(text: str) -> str:
    """The code that makes an exchange; where there is no relay, it does nothing."""
    relay = f"__import__('sys').modules.get({MODULE!r})"
    return f"getattr({relay}, 'exchange', lambda text: None)({text!r})"


def printed(outputs: Sequence[Output]) -> str | None:
    """What the relay has printed among the outputs of a request; None if it has printed nothing.

    Raises:
        ValueError: only the beginning of it has come.
    """
    text = "".join(str(output.data) for output in outputs if output.type == "stdout")
    _, begin, rest = text.partition(BEGIN)
    if not begin:
        return None
    body, end, _ = rest.partition(END.rstrip("\n"))
    if not end:
        raise ValueError("it is cut off")
    return body


def read(text: str) -> Answer:
    """Read an answer.

    Raises:
        ValueError: it is none.
    """
    try:
        fields = _decoded(text)
        if fields["version"] != VERSION:
            raise ValueError(f"it has version {fields['version']}, not {VERSION}")
        state = fields["interpreter"]
        return Answer(
            relay=str(fields["relay"]),
            taken=int(fields["taken"]),
            first=int(fields["first"]),
            # What is none keeps its place: they are numbered.
            texts=[text if isinstance(text, dict) else {} for text in fields["messages"]],
            more=bool(fields["more"]),
            running=[str(msg_id) for msg_id in fields["running"]],
            count=int(fields["count"]),
            took=float(fields["took"]),
            interpreter=Interpreter(
                int(state["number"]),
                str(state["state"]),
                str(state["reason"]),
                str(state["before"]),
                int(state["pid"]),
                dict(state["info"]),
            ),
        )
    except (LookupError, TypeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


class Assembly:
    """Puts the messages of answers together again: those too long for one come in parts."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def incoming(self, texts: Sequence[Mapping[str, Any]]) -> Iterator[Incoming]:
        """The messages that are whole now. What can't be read is left out."""
        for text in texts:
            found = self._whole(text) if "part" in text else text
            if found is not None and (message := _incoming(found)) is not None:
                yield message

    def _whole(self, text: Mapping[str, Any]) -> Mapping[str, Any] | None:
        self._parts.append(str(text["part"]))
        if text.get("more"):
            return None
        joined, self._parts = "".join(self._parts), []
        try:
            whole = _decoded(joined)
        except ValueError:
            return None
        return whole if isinstance(whole, dict) else None


def _decoded(text: str) -> Any:
    """The value of JSON text, with nothing in place of what is nested too deeply in it.

    One message that can't be read must not keep those beside it from being read.
    """
    try:
        return carried(json.loads(text))
    except RecursionError:
        return decoded(_shallow(text, MAX_DEPTH))


def _shallow(text: str, most: int) -> str:
    """JSON text in which `null` stands for each value that is nested more than so many levels."""
    kept, depth, start = [], 0, 0
    for found in _BRACKETS.finditer(text):
        if found[0] in "[{":
            depth += 1
            if depth == most + 1:
                kept.append(text[start : found.start()])
        elif found[0] in "]}":
            if depth == most + 1:
                kept.append("null")
                start = found.end()
            depth -= 1
    return "".join([*kept, text[start:]])


def _incoming(fields: Mapping[str, Any]) -> Incoming | None:
    header, parent, content, metadata = (
        fields.get(name) for name in ("header", "parent_header", "content", "metadata")
    )
    if not (isinstance(header, dict) and isinstance(parent, dict) and isinstance(content, dict)):
        return None
    try:
        buffers = [base64.b64decode(buffer) for buffer in fields.get("buffers") or ()]
    except (ValueError, TypeError):
        return None
    message = Message(
        str(header.get("msg_type")),
        content,
        metadata if isinstance(metadata, dict) else {},
        buffers,
        parent,
    )
    return Incoming(str(fields.get("channel")), message, str(parent.get("msg_id", "")))
