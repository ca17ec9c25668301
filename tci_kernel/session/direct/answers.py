"""From the service's answer to a cell to messages: its outputs, and what the helper put beside.

What comes from the session is never trusted: code can say all that the helper says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tci_kernel.client.schema import ExecuteResponse, Output
from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import (
    Message,
    clear_output,
    display,
    error,
    error_of,
    reply,
    result,
    stream,
    without_widget,
)
from tci_kernel.remote.helper import MIME
from tci_kernel.session.direct.tracebacks import parse_error

_MIME_TYPE = re.compile(r"[\w+.-]+/[\w+.-]+")


@dataclass(slots=True)
class Answer:
    """What an answer to a cell says.

    Attributes:
        number: the cell's number; corrected where the helper says another.
        messages: what it produced, in order.
        failure: the error that ended it, or None.
        payload: such as the text of a pager.
        is_whole: whether the helper has said how the cell ended. Else it was not there, or the
            interpreter did not live to say so.
    """

    number: int
    messages: list[Message] = field(default_factory=list)
    failure: Message | None = None
    payload: Sequence[Mapping[str, Any]] = ()
    is_whole: bool = False

    def reply(self, user_expressions: Mapping[str, Any] | None = None) -> Message:
        """The cell's `execute_reply`."""
        return reply(
            self.number, self.failure, payload=self.payload, user_expressions=user_expressions
        )


def read(answer: ExecuteResponse, number: int, doubt: TCIError | None) -> Answer:
    """Read the answer to a cell.

    Args:
        answer: what the service said.
        number: the cell's number.
        doubt: what is to be said of the session that it ran in.
    """
    found = Answer(number)
    ended, place = _read_outputs(found, answer.outputs)
    found.messages += _doubts(answer, doubt)
    found.is_whole = ended is not None
    if ended is None:
        found.messages, found.failure = _with_one_error(found.messages)
        return found
    _read_end(found, ended)
    # Code can show errors and go on: until its end, the interpreter's own word counts.
    late = [message for message in found.messages[place:] if message.type == "error"]
    shown = [message for message in found.messages[:place] if message.type == "error"]
    if late:
        found.failure = late[-1]
    elif ended.get("failed") and found.failure is None and shown:
        found.failure = shown[-1]
    return found


def extras(output: Output) -> Mapping[str, Any]:
    """What the helper put beside an output, or nothing."""
    if output.type not in ("display_data", "execute_result") or not isinstance(output.data, dict):
        return {}
    found = output.data.get(MIME)
    return found if isinstance(found, dict) else {}


def _read_outputs(found: Answer, outputs: Sequence[Output]) -> tuple[Mapping[str, Any] | None, int]:
    """Take the messages of the outputs; without a helper these are the outputs themselves.

    Returns:
        what the helper says of the cell's end, if it does, and how many messages came before.
    """
    ended, place = None, 0
    is_known = False  # whether the text of an error stands for one that came in its parts
    for output in outputs:
        beside = extras(output)
        kind = beside.get("kind")
        if output.type == "error" and is_known:
            is_known = False
        elif kind == "end":
            ended, place = (beside, len(found.messages)) if _is_end(beside) else (ended, place)
            is_known = is_known or isinstance(beside.get("failure"), dict)
        elif kind != "reply":
            is_known = is_known or kind == "error"
            found.messages.append(_message(output, beside, found.number))
    return ended, place


def _message(output: Output, beside: Mapping[str, Any], number: int) -> Message:
    """The message that an output stands for, with what the helper put beside it."""
    match beside.get("kind"):
        case "error":
            return _error(beside)
        case "clear":
            return clear_output(wait=bool(beside.get("wait")))
        case "display" | "result":
            return _shown(output, beside, number)
    return _plain(output, number)


def _is_end(fields: Mapping[str, Any]) -> bool:
    count = fields.get("count")
    return isinstance(count, int) and count >= 1


def _read_end(found: Answer, ended: Mapping[str, Any]) -> None:
    """Take what the helper says of the cell's end: its number, its payload, a silent failure."""
    payload, silent = ended.get("payload"), ended.get("failure")
    found.number = ended["count"] - 1
    if isinstance(payload, list):
        found.payload = [item for item in payload if isinstance(item, dict)]
    if ended.get("failed") and isinstance(silent, dict):
        found.failure = _error(silent)


def _doubts(answer: ExecuteResponse, doubt: TCIError | None) -> Iterator[Message]:
    """What an answer says beside its outputs that the user must know."""
    if answer.errors:
        text = "\n".join(answer.errors)
        yield error("ServiceError", text, [f"ServiceError: {text}"])
    if doubt is not None:
        yield error_of(doubt)


def _with_one_error(messages: Sequence[Message]) -> tuple[list[Message], Message | None]:
    """Messages in which a cell ends in one error, where it is not known which one ended it.

    What else went wrong is still shown.
    """
    shown: list[Message] = []
    first: Message | None = None
    for message in messages:
        if message.type == "error" and first is not None:
            text = "\n".join(message.content["traceback"])
            shown.append(stream("stderr", f"{text}\n"))
        else:
            shown.append(message)
            first = first or (message if message.type == "error" else None)
    return shown, first


# -- one output --------------------------------------------------------------------------------


def _plain(output: Output, number: int) -> Message:
    """The message that an output of the service stands for. Takes whatever arrives."""
    match output.type:
        case "error":
            return error(*parse_error(_text(output.data)))
        case "display_data" if output.data is not None:
            return display(_bundle(output.data))
        case "execute_result" if output.data is not None:
            return result(_bundle(output.data), number)
        case "stderr":
            return stream("stderr", _text(output.data))
        case _:
            # A type unknown to us is shown rather than lost; one without data has nothing to show.
            return stream("stdout", _text(output.data))


def _shown(output: Output, beside: Mapping[str, Any], number: int) -> Message:
    data = {mime: value for mime, value in output.data.items() if mime != MIME}
    data.update(_mapping(beside.get("data")))
    metadata, transient = (_mapping(beside.get(name)) for name in ("metadata", "transient"))
    if output.type == "execute_result":
        return result(without_widget(data), number, metadata)
    update = bool(beside.get("update"))
    return display(without_widget(data), metadata, transient, update=update)


def _error(fields: Mapping[str, Any]) -> Message:
    lines = fields.get("traceback")
    return error(
        str(fields.get("ename")),
        str(fields.get("evalue")),
        [str(line) for line in lines] if isinstance(lines, list) else [],
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


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
    return without_widget(bundle) if bundle or not data else {"text/plain": _text(data)}
