"""Finds the way from variables to something that they hold, as code would write it.

It travels to the session as text before that of `pickling`. It may meet any Python from 3.7 on.
"""

from __future__ import annotations

import contextlib
import gc
import types
from collections import deque
from typing import Any, Iterator

# Objects that are looked at for it.
MOST_OBJECTS = 200_000


def path_to(variables: dict[str, Any], target: Any) -> str:
    """The shortest way to an object, such as `model.layers[0]`; empty if a variable is it.

    Args:
        variables: where it begins, by name.
        target: the object.
    """
    if any(value is target for value in variables.values()):
        return ""
    pending = deque((name, value) for name, value in variables.items())
    seen = {id(value) for value in variables.values()}
    while pending and len(seen) < MOST_OBJECTS:
        path, value = pending.popleft()
        for step, child in steps(value):
            if child is target:
                return path + step
            if id(child) not in seen:
                seen.add(id(child))
                pending.append((path + step, child))
    return "%s (somewhere in it)" % ", ".join(variables)


def steps(value: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds, each with how code gets there."""
    if isinstance(value, (str, bytes, int, float, types.ModuleType)):
        return
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        yield from (("." + str(name), child) for name, child in [*attributes.items()])
    yield from items(value)


def items(value: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds besides its attributes."""
    if isinstance(value, dict):
        yield from (("[%.40r]" % (key,), child) for key, child in [*value.items()])
    elif isinstance(value, (list, tuple)):
        yield from (("[%d]" % place, child) for place, child in enumerate(value))
    elif isinstance(value, types.FunctionType):
        yield from closed_over(value)
    elif not isinstance(value, type):
        for child in gc.get_referents(value):
            if not isinstance(child, (type, dict)):
                yield "<%s>" % type(child).__name__, child


def closed_over(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function has from the one around it."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):  # noqa: B905 - older Pythons
        with contextlib.suppress(ValueError):  # it is empty
            yield "<%s>" % name, cell.cell_contents
