"""Makes code of the files beside this one, to be run in the session.

The code carries their text, and leaves no names behind there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from tci_kernel.remote.calls import MODULE

# The files whose text runs, and those whose text runs before theirs, for them to build on.
_BASES: Mapping[str, tuple[str, ...]] = {
    "calls": ("printing",),
    "companion": (
        "completion",
        "looks",
        "reading",
        "naming",
        "shared_names",
        "uninterrupted",
        "lineage",
    ),
    "helper": (
        "traces",
        "completion",
        "looks",
        "reading",
        "naming",
        "shared_names",
        "uninterrupted",
        "lineage",
    ),
    "relay": (
        "printing",
        "traces",
        "frames",
        "outbox",
        "interpreter",
        "requests",
        "exchanges",
        "hangups",
        "child",
    ),
    "files": ("failure", "standing", "survey"),
    "places": ("failure", "standing"),
    "script": ("standard_input", "surroundings"),
    "saving": (
        "failure",
        "standing",
        "survey",
        "rebuilding",
        "reductions",
        "paths",
        "pickling",
        "looks",
        "plan",
        "again",
        "shared_names",
        "belongings",
        "state_file",
    ),
    "loading": (
        "failure",
        "rebuilding",
        "reductions",
        "paths",
        "pickling",
        "shared_names",
        "belongings",
        "state_file",
        "unpacking",
        "remaking",
        "restoring",
    ),
    "upload": ("failure", "standing", "arrival"),
    "variables": ("failure", "arrival", "plain", "tables", "values"),
}


@cache
def source(name: str) -> str:
    """The text of a file, by its name without the `.py`."""
    return files("tci_kernel.remote").joinpath(f"{name}.py").read_text(encoding="utf-8")


def program(name: str, arguments: Mapping[str, Any]) -> str:
    """The code that calls `main` of a program, and prints what it returns.

    Args:
        name: the program's file, without the `.py`.
        arguments: the keyword arguments of its `main`; they travel as JSON.

    Raises:
        FileNotFoundError: no program has this name.
    """
    namespace = {"SOURCES": _texts(name), "REQUEST": json.dumps(arguments)}
    return _executed("calls", MODULE, f"**{namespace!r}, 'USER': globals()")


def launch(name: str, module: str, **texts: str) -> str:
    """The code that runs the text of a file in a namespace of its own.

    Args:
        name: the file's, without the `.py`.
        module: what it finds in `__name__`.
        texts: what else it finds, by name.
    """
    return _executed(name, module, f"**{texts!r}")


def launch_for_user(name: str, module: str, arguments: Mapping[str, Any]) -> str:
    """As `launch`, for what works in the session's own namespace, which it finds in `USER`.

    Args:
        name: the file's, without the `.py`.
        module: what it finds in `__name__`.
        arguments: what it finds in `REQUEST`, as JSON.
    """
    return _executed(name, module, f"'REQUEST': {json.dumps(arguments)!r}, 'USER': globals()")


def _texts(name: str) -> list[str]:
    """The texts that a file's code consists of, in their order."""
    return [source(part) for part in (*_BASES.get(name, ()), name)]


def _executed(name: str, module: str, items: str) -> str:
    """The code that runs a file's texts in one namespace, which has further items."""
    namespace = {"__name__": module, "TEXTS": _texts(name)}
    run = "for TEXT in TEXTS: exec(TEXT, globals())"
    return f"exec({run!r}, {{**{namespace!r}, {items}}})"
