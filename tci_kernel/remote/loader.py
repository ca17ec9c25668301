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

# The programs, and the files whose text runs before theirs, for them to build on.
_BASES: Mapping[str, tuple[str, ...]] = {
    "files": ("failure", "survey"),
    "names": (),
    "upload": ("failure", "arrival"),
    "variables": ("failure", "arrival", "tables", "values"),
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
        KeyError: no program has this name.
    """
    sources = [source(part) for part in (*_BASES[name], name)]
    namespace = {"__name__": MODULE, "SOURCES": sources, "REQUEST": json.dumps(arguments)}
    return f"exec({source('calls')!r}, {{**{namespace!r}, 'USER': globals()}})"


def launch(name: str, module: str) -> str:
    """The code that runs the text of a file in a namespace of its own.

    Args:
        name: the file's, without the `.py`.
        module: what it finds in `__name__`.
    """
    return f"exec({source(name)!r}, {{'__name__': {module!r}}})"
