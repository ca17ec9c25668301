"""A request that the interpreter has not answered yet, and what has come of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tci_kernel.core.cell import Cell
from tci_kernel.core.messages import Message
from tci_kernel.remote.companion import MODULE

# Names the one of a cell's `user_expressions` that is ours: how much of the cells lives on.
ALIVE = "tci_kernel:alive"


# Tells our own requests from those of clients.
USERNAME = "tci-kernel"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing comes, for the user to read meanwhile; empty once that is over."""

    text: str


@dataclass(slots=True)
class Pending:
    """A request that is on its way, or being worked on.

    Attributes:
        msg_id: its id.
        number: that of the message that brings it there.
        cell: the cell that it runs, if it runs one.
        collects: whether what it produces is for who waits for it, not for the notebook.
        is_beside: whether it runs in a subshell, beside the interpreter's main thread.
        joins: whether it stands for what ran before, and gets what that produces.
        arrived: what has come of it: messages, the last of which ends it; or why it has none.
    """

    msg_id: str
    number: int = 0
    cell: Cell | None = None
    collects: bool = False
    is_beside: bool = False
    joins: bool = False
    arrived: asyncio.Queue[Message | Trouble | Exception] = field(default_factory=asyncio.Queue)


def companion(call: str) -> str:
    """The expression by which the interpreter calls a method of its companion."""
    return f"__import__('sys').modules[{MODULE!r}].{call}"


def new_header(kind: str) -> dict[str, Any]:
    """The header of a request of the kernel's own."""
    msg_id = uuid.uuid4().hex
    return {
        "msg_id": msg_id,
        "msg_type": kind,
        "session": msg_id,
        "username": USERNAME,
        "version": "5.3",
    }


def execute_request(cell: Cell, alive: str) -> dict[str, Any]:
    """The request that has the interpreter run a cell.

    Args:
        cell: the cell.
        alive: the expression that tells how much of the cells lives on; empty to leave it out.
    """
    header = cell.header if cell.header is not None else new_header("execute_request")
    expressions = dict(cell.user_expressions)
    if alive:
        expressions[ALIVE] = alive
    content = {
        "code": cell.code,
        "silent": cell.silent,
        "store_history": not (cell.hidden or cell.is_part),
        "user_expressions": expressions,
        "allow_stdin": cell.interactive,
        "stop_on_error": False,  # what waits here is another's, or the kernel's to stop
    }
    return {"header": dict(header), "metadata": dict(cell.metadata), "content": content}


def without_alive(reply: Mapping[str, Any]) -> tuple[dict[str, Any], int | None]:
    """The content of an `execute_reply` without what we asked, and the answer to that."""
    given = reply.get("user_expressions")
    expressions = dict(given) if isinstance(given, Mapping) else {}
    found = expressions.pop(ALIVE, None)
    content = {**reply, "user_expressions": expressions}
    try:
        return content, int(found["data"]["text/plain"])
    except (LookupError, TypeError, ValueError):
        return content, None
