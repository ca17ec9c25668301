"""What the interpreter is and uses, for who wants to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tci_kernel.client.schema import decoded
from tci_kernel.core.cell import Cell
from tci_kernel.core.messages import Message
from tci_kernel.session.live.pending import companion, execute_request

_EXPRESSION = companion("told_usage()")
_NAME = "usage"


def question() -> Message:
    """The request that asks for it."""
    cell = Cell("", hidden=True, silent=True, user_expressions={_NAME: _EXPRESSION})
    return Message("execute_request", execute_request(cell, "")["content"])


def facts(info: Mapping[str, Any], reply: Message | None) -> Sequence[tuple[str, str]]:
    """The answer in words, each with a name.

    Args:
        info: the content of the interpreter's `kernel_info_reply`.
        reply: the reply to the question; None if there is none.
    """
    language = info.get("language_info")
    version = language.get("version") if isinstance(language, dict) else None
    versions = [f"Python {version}", f"IPython {info.get('implementation_version')}"]
    content: Mapping[str, Any] = {} if reply is None else reply.content
    try:
        told = decoded(content["user_expressions"][_NAME]["data"]["text/plain"])
        versions.append(f"ipykernel {told['ipykernel']}")
        memory, cpu, alive = float(told["memory"]), float(told["cpu"]), int(told["alive"])
    except (LookupError, TypeError, ValueError, OverflowError):
        return [("Interpreter", ", ".join(versions))]
    return [
        ("Interpreter", ", ".join(versions)),
        ("It uses", f"{memory / 1e6:.0f} MB of memory, {cpu:.1f} s of CPU time"),
        ("Lives on", f"{alive} threads, tasks or processes of cells" if alive else "nothing"),
    ]
