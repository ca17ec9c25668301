"""What the messages of an interpreter must hold for clients, and for this kernel, to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tci_kernel.session.live.exchange import Incoming

# By type: its fields, each with the kind of its value. Whatever else there is passes as it came.
_SHAPES: Mapping[str, Mapping[str, type]] = {
    "clear_output": {"wait": bool},
    "comm_close": {"comm_id": str},
    "comm_msg": {"comm_id": str},
    "comm_open": {"comm_id": str, "target_name": str},
    "display_data": {"data": dict, "metadata": dict},
    "error": {"ename": str, "evalue": str, "traceback": list},
    "execute_result": {"data": dict, "metadata": dict, "execution_count": int},
    "input_request": {"prompt": str, "password": bool},
    "status": {"execution_state": str},
    "stream": {"name": str, "text": str},
    "update_display_data": {"data": dict, "metadata": dict},
}
_ERROR = _SHAPES["error"]

# What stands for a reply that can't be read.
_UNREADABLE = {
    "status": "error",
    "ename": "InvalidAnswer",
    "evalue": "the session's reply to this cell can't be read",
    "traceback": ["InvalidAnswer: the session's reply to this cell can't be read"],
}


def checked(incoming: Incoming) -> Incoming | None:
    """A message that can be read; None for one that can't.

    A cell's reply is never left out: one that can't be read becomes an error that says so.
    """
    kind, content = incoming.message.type, incoming.message.content
    if kind == "execute_reply":
        if _is_reply(content):
            return incoming
        return replace(incoming, message=replace(incoming.message, content=_UNREADABLE))
    return incoming if _is_whole(kind, content) else None


def _is_reply(content: Mapping[str, Any]) -> bool:
    status = content.get("status")
    is_end = status in ("ok", "aborted") or (status == "error" and _has(content, _ERROR))
    return is_end and isinstance(content.get("payload", []), list)


def _is_whole(kind: str, content: Mapping[str, Any]) -> bool:
    if not _has(content, _SHAPES.get(kind, {})):
        return False
    if kind == "stream":
        return content["name"] in ("stdout", "stderr")
    if kind == "error":
        return all(isinstance(line, str) for line in content["traceback"])
    return isinstance(content.get("transient", {}), dict)


def _has(content: Mapping[str, Any], fields: Mapping[str, type]) -> bool:
    return all(isinstance(content.get(name), kind) for name, kind in fields.items())
