"""Why a cell may differ, each with how to leave just that difference out of a comparison."""

from __future__ import annotations

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


def _is_widget(mime: str, _data: Any) -> bool:
    return mime == "application/vnd.jupyter.widget-view+json"


def _without_hints(entries: list[Entry]) -> list[Entry]:
    """Leave out the line that is added to an error, and the empty one before it."""

    def cut(content: Content) -> Content:
        text, _, last = str(content.get("traceback", "")).rpartition("\n\n")
        return {**content, "traceback": text} if "%pip install" in last else content

    return [(kind, cut(content)) for kind, content in entries]


class Cause(Enum):
    """What differs, and why."""

    def __init__(self, reason: str, forget: Forget) -> None:
        self.reason = reason
        self.forget = forget

    # What is added on purpose.
    HINT = (
        "a module that is missing: a line says how a package is installed in the session",
        _without_hints,
    )
    # What the service's API has no place for.
    COMM = (
        "comms: the API carries none, so a widget shows as the text beside its view",
        _without("comm_open", "comm_msg", "comm_close"),
    )
    STDIN = (
        "nothing can be typed into running code: the API has no way to ask back",
        _without("stream", "display_data", "execute_result", "error", "execute_reply"),
    )

    # What the kernel decides.
    WIDGET = (
        "a widget's view gives way to the text beside it: without comms it would show an error",
        _without_data(_is_widget),
    )
    HELPER = (
        "a traceback that runs through the display of errors has the helper's own frames in it",
        _without_fields({"ename", "evalue", "traceback"}, *_ERRORS),
    )

    # Where ipykernel itself is odd.
    HIDDEN_NUMBER = (
        "the value of hidden code has the number of the next cell, not that of the last",
        _without("execute_result"),
    )
    STALE_TRACEBACK = (
        "ipykernel's reply to an error that IPython prints as text repeats an earlier traceback",
        _without_fields({"traceback"}, "execute_reply"),
    )
    NONE_TYPE = (
        "where a value can't be displayed, the reply names the error; ipykernel's says `NoneType`",
        _without_fields({"ename", "evalue"}, "execute_reply"),
    )


def leave_out(entries: list[Entry], causes: Iterable[Cause]) -> list[Entry]:
    """What a cell led to, without what the causes explain."""
    for cause in sorted(causes, key=list(Cause).index):  # later ones leave out more
        entries = cause.forget(entries)
    return merge_streams(entries)
