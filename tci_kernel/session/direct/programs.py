"""The kernel's side of `remote/calls.py`: programs that run in the session for the kernel."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from tci_kernel.client.schema import Output
from tci_kernel.core.errors import InvalidAnswer, RemoteCallFailed
from tci_kernel.remote.calls import BEGIN, END, MODULE

# The files in `remote/` whose text runs before that of a program, for it to build on.
_BASES = {"upload": ("arrival",), "variables": ("arrival",)}


@cache
def source(name: str) -> str:
    """The text of a file in `remote/`, by its name without the `.py`."""
    return files("tci_kernel.remote").joinpath(f"{name}.py").read_text(encoding="utf-8")


def code(name: str, arguments: Mapping[str, Any]) -> str:
    """The code that calls `main` of a program in `remote/`. It leaves no names behind.

    Args:
        name: the program's file, without the `.py`.
        arguments: the keyword arguments of its `main`; they travel as JSON.
    """
    sources = [source(part) for part in (*_BASES.get(name, ()), name)]
    namespace = {"__name__": MODULE, "SOURCES": sources, "REQUEST": json.dumps(arguments)}
    return f"exec({source('calls')!r}, {{**{namespace!r}, 'USER': globals()}})"


def answer(outputs: Sequence[Output]) -> Any:
    """What a program's `main` returned, from the outputs of its call.

    Raises:
        RemoteCallFailed: an exception ended it, or the interpreter did not run it.
        InvalidAnswer: there is no answer among the outputs.
    """
    printed = "".join(str(output.data) for output in outputs if output.type == "stdout")
    _, begin, rest = printed.partition(BEGIN)
    text, end, _ = rest.partition(END.rstrip("\n"))
    if not begin or not end:
        errors = [str(output.data) for output in outputs if output.type == "error"]
        if errors:
            raise RemoteCallFailed("Error", errors[0])
        raise InvalidAnswer(
            "The session did not answer. If your code has replaced sys.stdout, put it back."
        )
    try:
        reply = json.loads(text)
    except ValueError as error:
        raise InvalidAnswer(f"The session's answer can't be read: {error}") from error
    if "value" in reply:
        return reply["value"]
    raise RemoteCallFailed(str(reply.get("ename")), str(reply.get("evalue")))
