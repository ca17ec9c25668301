"""What VS Code's Jupyter extension runs for itself, recognised by its form.

The extension asks much by running code that the user does not see. Some of it names the method of
ipykernel that it wants called, and some lists variables: that is answered here, or, where only the
session knows, told apart from code that has nothing to say without one.
"""

from __future__ import annotations

import ast
import re
import uuid
from dataclasses import dataclass
from typing import Any

from tci_kernel.core.messages import Message, display, stream
from tci_kernel.remote.helper import BACKGROUND

# Where the result of code that the extension runs in a thread goes.
_MIME = re.compile(r"application/vnd\.vscode\.bg\.execution\.\d+")
_METHOD = re.compile(r"get_ipython\(\)\.kernel\.do_(complete|inspect)")


@dataclass(frozen=True, slots=True)
class BackgroundCall:
    """A completion or an inspection that the extension wants done.

    Attributes:
        mime: the MIME type that its result is published under, with `.result` behind it.
        method: `complete` or `inspect`.
        arguments: code, cursor position and, for `inspect`, the level of detail.
    """

    mime: str
    method: str
    arguments: tuple[Any, ...]


def is_background(code: str) -> bool:
    """Whether code is of the kind that the extension runs in a thread."""
    return BACKGROUND in code


def background_call(code: str) -> BackgroundCall | None:
    """The call that background code makes; None for code that does something else."""
    mime = _MIME.search(code)
    if not is_background(code) or mime is None:
        return None
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # code with magics, or nested too deeply: for the session
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
            method = _METHOD.fullmatch(ast.unparse(node.value.func))
            arguments = _literals(node.value.args)
            if method and arguments is not None:
                return BackgroundCall(mime[0], method[1], arguments)
    return None


def _literals(nodes: list[ast.expr]) -> tuple[Any, ...] | None:
    """The values of a call's arguments, if they are code and one or two numbers."""
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    kinds = [type(value) for value in values]
    if len(values) == len(nodes) and kinds in ([str, int], [str, int, int]):
        return tuple(values)
    return None


def background_reply(mime: str, result: object) -> tuple[Message, Message]:
    """The two displays by which background code answers: a place, and then its content."""
    place = {"display_id": uuid.uuid4().hex}
    return (
        display({mime: ""}, transient=place),
        display({f"{mime}.result": result}, transient=place, update=True),
    )


def without_session(code: str) -> list[Message]:
    """What hidden code is answered where there is no session: that there are no variables.

    Everything else that the extension runs before the user's first cell takes an empty answer.
    """
    mime = _MIME.search(code)
    if is_background(code) and mime is not None:
        return [*background_reply(mime[0], "[]" if "Descriptions(" in code else None)]
    if "_VSCODE_" in code and "%who_ls" in code:
        return [stream("stdout", "[]\n")]
    return []
