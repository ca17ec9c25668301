"""The kernel's side of `remote/helper.py`: what is sent, and what comes back beside the data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tci_kernel.client.schema import Output
from tci_kernel.core.messages import (
    ClearOutput,
    Display,
    Ended,
    Event,
    Failure,
    Result,
    is_failure,
)
from tci_kernel.remote.helper import HIDDEN, MIME, MODULE, ORIGIN
from tci_kernel.session.direct.answers import from_output
from tci_kernel.session.direct.programs import source


def program() -> str:
    """The helper as code that leaves no names behind: its text, run in a namespace of its own."""
    return f"exec({source('helper')!r}, {{'__name__': {MODULE!r}}})"


def call(name: str, **arguments: Any) -> str:
    """The code that calls a method of the helper, hidden from the session's history."""
    request = json.dumps([name, arguments])
    return f"__import__({MODULE!r}).call({request!r}){HIDDEN}"


def hidden(code: str) -> str:
    """Code that is to leave no trace in the session's history."""
    return code + HIDDEN


def reply(outputs: Sequence[Output]) -> Any:
    """What a call of the helper answered; None if it did not."""
    for output in outputs:
        extras = _extras(output)
        if extras.get("kind") == "reply":
            return extras.get("content")
    return None


def origin(outputs: Sequence[Output]) -> str | None:
    """The directory that plain Python, which the helper leaves alone, said that it was in."""
    for output in outputs:
        if output.type == "stdout":
            with suppress(ValueError, LookupError, TypeError):
                return str(json.loads(output.data)[ORIGIN])
    return None


def events(outputs: Sequence[Output]) -> Iterator[Event]:
    """The events of a cell's outputs, with what the helper put beside them.

    Without a helper these are the events of the outputs themselves. What the helper says is never
    trusted: code can say it as well.
    """
    is_known = False  # whether the text of an error stands for one that came in its parts
    for output in outputs:
        if output.type == "error" and is_known:
            is_known = False
            continue
        event = _event(output)
        if event is not None:
            is_known = is_known or (bool(_extras(output)) and is_failure(event))
            yield event


def _extras(output: Output) -> Mapping[str, Any]:
    if output.type not in ("display_data", "execute_result") or not isinstance(output.data, dict):
        return {}
    extras = output.data.get(MIME)
    return extras if isinstance(extras, dict) else {}


def _event(output: Output) -> Event | None:
    extras = _extras(output)
    match extras.get("kind"):
        case "error":
            return _failure(extras)
        case "clear":
            return ClearOutput(bool(extras.get("wait")))
        case "end":
            return _ended(extras)
        case "display" | "result":
            return _shown(output, extras)
        case "reply":
            return None
    return from_output(output)


def _shown(output: Output, extras: Mapping[str, Any]) -> Event:
    data = {mime: value for mime, value in output.data.items() if mime != MIME}
    data.update(_mapping(extras.get("data")))
    metadata, transient = (_mapping(extras.get(name)) for name in ("metadata", "transient"))
    if output.type == "execute_result":
        return Result(data, metadata)
    return Display(data, metadata, transient, bool(extras.get("update")))


def _failure(fields: Mapping[str, Any]) -> Failure:
    lines = fields.get("traceback")
    return Failure(
        str(fields.get("ename")),
        str(fields.get("evalue")),
        [str(line) for line in lines] if isinstance(lines, list) else [],
    )


def _ended(fields: Mapping[str, Any]) -> Ended | None:
    count, payload, failure = (fields.get(name) for name in ("count", "payload", "failure"))
    if not isinstance(count, int) or count < 1:
        return None
    return Ended(
        count,
        [item for item in payload if isinstance(item, dict)] if isinstance(payload, list) else [],
        bool(fields.get("failed")),
        _failure(failure) if isinstance(failure, dict) else None,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
