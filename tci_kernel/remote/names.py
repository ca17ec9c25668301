"""Finds the names in the session that begin with what was typed: of paths, and of variables.

It is sent as text while somebody types (see `calls`), so it builds on nothing else. The kernel
looks among its own variables with the same code. It may meet any Python from 3.7 on, with IPython
or without.
"""

from __future__ import annotations

import os
import sys
import types
from typing import Any, Callable, Iterable, Mapping

# Names that are offered at once; nobody reads more.
MAX_NAMES = 500


def paths(prefix: str) -> list[str]:
    """The paths that begin so; directories end in a slash."""
    directory, beginning = os.path.split(prefix)
    place = os.path.expanduser(directory) or os.curdir
    try:
        found = sorted(os.listdir(place))
    except (OSError, ValueError):  # no directory, or no name of one
        return []
    fitting = [
        name
        for name in found
        if name.startswith(beginning) and (beginning or not name.startswith("."))
    ]
    return [
        os.path.join(directory, name) + "/" * os.path.isdir(os.path.join(place, name))
        for name in fitting[:MAX_NAMES]
    ]


def variables(prefix: str) -> list[str]:
    """The names of the user's variables that begin so."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    hidden = () if shell is None else shell.user_ns_hidden
    return variables_like(prefix, globals()["USER"], hidden)


def variables_like(prefix: str, namespace: Mapping[str, Any], hidden: Iterable[str]) -> list[str]:
    """The names in a namespace that begin so, without those of modules, functions and classes.

    Args:
        prefix: what was typed. Names that begin with an underscore are meant only if it does.
        namespace: the names with their values.
        hidden: names that are not the user's own.
    """
    found = sorted(
        name
        for name, value in list(namespace.items())
        if name.startswith(prefix)
        and (prefix or not name.startswith("_"))
        and name not in hidden
        and not (callable(value) or isinstance(value, types.ModuleType))
    )
    return found[:MAX_NAMES]


OPERATIONS: dict[str, Callable[[str], list[str]]] = {
    operation.__name__: operation for operation in (paths, variables)
}


def main(operation: str, prefix: str) -> list[str]:
    """Run an operation."""
    return OPERATIONS[operation](prefix)
