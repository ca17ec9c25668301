"""From the outputs that the service sent to events."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tci_kernel.client.schema import Output
from tci_kernel.core.messages import Display, Event, Failure, Result, Stream
from tci_kernel.session.direct.tracebacks import parse_error

_MIME_TYPE = re.compile(r"[\w+.-]+/[\w+.-]+")


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
