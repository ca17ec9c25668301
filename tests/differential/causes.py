"""Why a cell may differ, each with how to leave just that difference out of a comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from tests.differential.normalise import Entry, merge_streams

Content = dict[str, Any]
Forget = Callable[[list[Entry]], list[Entry]]

_DISPLAYS = ("display_data", "update_display_data", "execute_result")
_ERRORS = ("error", "execute_reply")


def _without(*kinds: str) -> Forget:
    """Leave out whole messages."""
    return lambda entries: [entry for entry in entries if entry[0] not in kinds]


def _without_fields(keys: set[str], *kinds: str) -> Forget:
    """Leave out fields of some messages."""
    return lambda entries: [
        (kind, {key: part for key, part in content.items() if key not in keys})
        if kind in kinds
        else (kind, content)
        for kind, content in entries
    ]


def _without_data(unwanted: Callable[[str, Any], bool]) -> Forget:
    """Leave out parts of MIME bundles."""

    def cut(content: Content) -> Content:
        data = {mime: data for mime, data in content["data"].items() if not unwanted(mime, data)}
        return {**content, "data": data}

    return lambda entries: [
        (kind, cut(content) if kind in _DISPLAYS else content) for kind, content in entries
    ]


def _is_of_another_type(mime: str, data: Any) -> bool:
    return mime in {"application/json", "text/plain"} and isinstance(data, list)


def _is_widget(mime: str, _data: Any) -> bool:
    return mime == "application/vnd.jupyter.widget-view+json"


def _without_error_messages(entries: list[Entry]) -> list[Entry]:
    return _without_fields({"traceback"}, "execute_reply")(_without("error")(entries))


def _with_one_error(entries: list[Entry]) -> list[Entry]:
    """Turn further errors to text, as `RemoteSession` does."""
    kept: list[Entry] = []
    for kind, content in entries:
        if kind == "error" and any(earlier == "error" for earlier, _ in kept):
            kept.append(("stream", {"name": "stderr", "text": f"{content['traceback']}\n"}))
        else:
            kept.append((kind, content))
    return _without_fields({"traceback"}, "execute_reply")(kept)


def _without_numbers(entries: list[Entry]) -> list[Entry]:
    """Leave out the number of the cell in tracebacks, and what lists the cells."""
    return [
        (kind, {key: _unnumbered(part) for key, part in content.items()})
        for kind, content in entries
        if kind != "execute_result"
    ]


def _unnumbered(part: Any) -> Any:
    return re.sub(r"In\[\d+\]", "In[]", part) if isinstance(part, str) else part


class Cause(Enum):
    """What differs, and why."""

    def __init__(self, reason: str, forget: Forget) -> None:
        self.reason = reason
        self.forget = forget

    # What the service's API has no place for.
    COMM = "no comms, which widgets need", _without("comm_open", "comm_msg", "comm_close")
    STDIN = (
        "nothing can be typed into running code",
        _without("stream", "display_data", "execute_result", "error", "execute_reply"),
    )
    MIME_TYPE = "one type of value for each MIME type", _without_data(_is_of_another_type)
    ONLY_IN_REPLY = (
        "no reply: an error that IPython prints and names in the reply alone is an output as well",
        _without_error_messages,
    )
    HISTORY = "no hidden cells: the interpreter counts them and keeps them", _without_numbers

    # What the kernel decides.
    WIDGET = "a widget's view gives way to what stands beside it", _without_data(_is_widget)
    ONE_ERROR = "a cell ends in one error, the others are text", _with_one_error
    HELPER = (
        "the helper's own frames stand in a traceback that runs through it",
        _without_fields({"ename", "evalue", "traceback"}, *_ERRORS),
    )

    # Where ipykernel itself is odd.
    DISPLAY_FAILED = (
        "ipykernel's reply names the exception `NoneType` where an object could not be displayed",
        _without_fields({"ename", "evalue"}, "execute_reply"),
    )


def leave_out(entries: list[Entry], causes: Iterable[Cause]) -> list[Entry]:
    """What a cell led to, without what the causes explain."""
    for cause in sorted(causes, key=list(Cause).index):  # later ones leave out more
        entries = cause.forget(entries)
    return merge_streams(entries)
