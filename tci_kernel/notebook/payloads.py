"""What a cell may have its client do when it ends.

Clients carry out what a reply's payload says: they show a pager, write into a notebook, open a file
in an editor, end. It comes from the session, which nobody trusts: only what stands here passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Item = dict[str, Any]


def permitted(payload: Any, *, hidden: bool) -> list[Item]:
    """The items of a payload that a client may be given, each as ipykernel writes it.

    Args:
        payload: as it came.
        hidden: whether the user did not run the cell; then it does not end their client.

    Returns:
        at most one item of each source, the last, as in ipykernel.
    """
    kept: dict[str, Item] = {}
    for item in payload if isinstance(payload, list) else []:
        source = item.get("source") if isinstance(item, dict) else None
        if not isinstance(source, str) or source not in _READERS or (hidden and source == _EXIT):
            continue
        read = _READERS[source](item)
        if read is not None:
            kept.pop(source, None)
            kept[source] = {"source": source, **read}
    return [*kept.values()]


def _page(item: Item) -> Item | None:
    """Something to read in a pager, from a line on."""
    data, start = item.get("data"), item.get("start", 0)
    if not isinstance(data, Mapping) or not isinstance(start, int):
        return None
    texts = {mime: text for mime, text in data.items() if isinstance(text, str)}
    return {"data": texts, "start": start} if texts else None


def _set_next_input(item: Item) -> Item | None:
    """Code for the next cell, or in place of this one. It runs only if its reader runs it."""
    text, replace = item.get("text"), item.get("replace", False)
    if not isinstance(text, str) or not isinstance(replace, bool):
        return None
    return {"text": text, "replace": replace}


def _ask_exit(item: Item) -> Item | None:
    """The end of a console in which the user has typed `exit`."""
    keep = item.get("keepkernel", False)
    return {"keepkernel": keep} if isinstance(keep, bool) else None


_EXIT = "ask_exit"
_READERS: Mapping[str, Callable[[Item], Item | None]] = {
    "page": _page,
    "set_next_input": _set_next_input,
    _EXIT: _ask_exit,
}
