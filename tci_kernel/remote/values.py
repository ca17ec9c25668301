"""Writes variables down as bytes, and reads them again. Both ends use it: kernel and session.

It travels to the session as text after that of `tables` and before that of `variables`, which
builds on it, and may meet any Python from 3.7 on.

A value is a line of JSON and blobs of bytes behind it. What JSON has no word for is an object with
one key, which names the type. Whatever the bytes say, reading them runs none of it: nothing is
pickled, nothing evaluated.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections import Counter
from typing import Any, Callable, Iterable

# Levels of containers. JSON can take some more, and what people move has about ten.
MAX_DEPTH = 100

# Characters of a str that stands in the JSON itself.
SHORT = 1_000

SURROGATE = re.compile("[\ud800-\udfff]")

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.failure import BROKEN, REFUSED, Failure
    from tci_kernel.remote.plain import COLLISIONS
    from tci_kernel.remote.tables import (
        EXACT,
        LIBRARIES,
        MOVABLE,
        TABLE_READERS,
        Unmovable,
        named,
        short,
    )


# -- writing ---------------------------------------------------------------------------------


def encode(name: str, value: Any, arrow: bool = True) -> bytes:
    """A variable as bytes.

    Args:
        name: the variable's.
        value: its value.
        arrow: whether who reads it has PyArrow.

    Raises:
        Failure: `refused`, since it, or something in it, can't be moved; or `missing`.
    """
    writer = Writer(arrow)
    try:
        tree = writer.tree(value)
    except Unmovable as error:
        raise Failure(REFUSED, "%s%s %s" % (name, error.place, error.reason)) from None
    head = {"value": tree, "blobs": [len(blob) for blob in writer.blobs]}
    return b"".join([json.dumps(head).encode("ascii"), b"\n", *writer.blobs])


class Writer:
    """Makes JSON of a value, and sets blobs aside."""

    def __init__(self, arrow: bool) -> None:
        self.arrow = arrow
        self.blobs: list[bytes] = []
        self.open: list[int] = []  # the containers around the value that is being written

    def tree(self, value: Any) -> Any:
        """What stands for a value in JSON."""
        kind = type(value)
        if kind in PLAIN:
            return PLAIN[kind](self, value)
        if kind in CONTAINERS:
            return self.container(value, kind)
        library = kind.__module__.partition(".")[0]
        if library in LIBRARIES:
            return LIBRARIES[library](self, value)
        raise Unmovable("is of type %s, which is not moved by value. %s" % (named(kind), MOVABLE))

    def blob(self, data: bytes) -> int:
        """The number of a new blob."""
        self.blobs.append(data)
        return len(self.blobs) - 1

    def reader(self) -> Reader:
        """Reads what has been written."""
        return Reader(b"".join(self.blobs), [len(blob) for blob in self.blobs])

    def drop(self, count: int) -> None:
        """Forget all blobs but the first."""
        del self.blobs[count:]

    def container(self, value: Any, kind: type) -> Any:
        """What stands for a container."""
        if id(value) in self.open:
            raise Unmovable("contains itself, so it has no end.")
        if len(self.open) == MAX_DEPTH:
            raise Unmovable("is nested in more than %d containers." % MAX_DEPTH)
        self.open.append(id(value))
        if kind is dict:
            tree: Any = [
                [self.inner("'s key, %s,", key, key), self.inner("[%s]", key, item)]
                for key, item in value.items()
            ]
        elif kind in (set, frozenset):
            tree = [self.inner("'s element, %s,", item, item) for item in value]
        else:
            tree = [self.inner("[%s]", number, item) for number, item in enumerate(value)]
        self.open.pop()
        return tree if kind is list else {kind.__name__: tree}

    def inner(self, place: str, mark: Any, value: Any) -> Any:
        """What stands for a value inside another; an error says where that is, by its mark."""
        try:
            return self.tree(value)
        except Unmovable as error:
            error.place = place % short(mark) + error.place
            raise


def text(writer: Writer, value: str) -> Any:
    """A str. One with half a surrogate pair would not survive JSON, if its other half follows."""
    if len(value) <= SHORT and (value.isascii() or not SURROGATE.search(value)):
        return value
    return {"str": writer.blob(value.encode("utf-8", "surrogatepass"))}


def integer(_writer: Writer, value: int) -> Any:
    """An int of any size."""
    return value if abs(value) < EXACT else {"int": hex(value)}


def real(_writer: Writer, value: float) -> Any:
    """A float, which JSON has only if it is finite."""
    return value if math.isfinite(value) else {"float": repr(value)}


PLAIN: dict[type, Callable[[Writer, Any], Any]] = {
    type(None): lambda _writer, value: value,
    bool: lambda _writer, value: value,
    int: integer,
    float: real,
    complex: lambda writer, value: {
        "complex": [real(writer, value.real), real(writer, value.imag)]
    },
    str: text,
    bytes: lambda writer, value: {"bytes": writer.blob(value)},
}

CONTAINERS = (list, tuple, dict, set, frozenset)


# -- reading ---------------------------------------------------------------------------------


def decode(data: bytes) -> Any:
    """The value that bytes of `encode` stand for.

    Raises:
        Failure: `broken`, since they stand for none; or `missing`.
    """
    try:
        line, _, rest = data.partition(b"\n")
        head = json.loads(line.decode("ascii"))
        return Reader(rest, head["blobs"]).value(head["value"])
    except Failure:
        raise
    except BaseException as error:
        # Polars panics, which is no Exception.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise Failure(
                BROKEN, "What arrived can't be read: %s: %s" % (named(type(error)), error)
            ) from None
        raise


class Reader:
    """Makes a value of JSON and blobs."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        if any(type(size) is not int or size < 0 for size in sizes) or sum(sizes) != len(data):
            raise ValueError("the sizes are not those announced")
        start = 0
        self.blobs: list[bytes] = []
        for size in sizes:
            self.blobs.append(data[start : start + size])
            start += size

    def value(self, tree: Any) -> Any:
        """The value that a part of the JSON stands for."""
        if type(tree) is list:
            return [self.value(item) for item in tree]
        if type(tree) is not dict:
            return tree
        ((kind, content),) = tree.items()
        return READERS[kind](self, content)


def mapping(reader: Reader, pairs: list[list[Any]]) -> dict[Any, Any]:
    """A dict of its keys and values."""
    items = [(reader.value(key), reader.value(item)) for key, item in pairs]
    spread([key for key, _ in items])
    return dict(items)


def spread(keys: list[Any]) -> list[Any]:
    """Keys, unless so many have the same hash that to hold them takes for ever.

    Python compares each of those with each other, and lets nothing else run meanwhile.
    """
    if len(keys) > COLLISIONS and max(Counter(map(hash, keys)).values()) > COLLISIONS:
        raise ValueError("more than %d of its keys have the same hash" % COLLISIONS)
    return keys


READERS: dict[str, Callable[[Reader, Any], Any]] = {
    "dict": mapping,
    "tuple": lambda reader, items: tuple(reader.value(items)),
    "set": lambda reader, items: set(spread(reader.value(items))),
    "frozenset": lambda reader, items: frozenset(spread(reader.value(items))),
    "int": lambda _reader, digits: int(digits, 16),
    "float": lambda _reader, digits: float(digits),
    "complex": lambda reader, parts: complex(*reader.value(parts)),
    "bytes": lambda reader, number: reader.blobs[number],
    "str": lambda reader, number: reader.blobs[number].decode("utf-8", "surrogatepass"),
    **TABLE_READERS,
}


# -- finding ---------------------------------------------------------------------------------


def look_up(names: Iterable[str], namespace: dict[str, Any]) -> dict[str, Any]:
    """Variables by their names.

    Raises:
        Failure: `refused`, since there is none of such a name.
    """
    found = {}
    for name in names:
        if name not in namespace:
            known = [
                other
                for other, value in namespace.items()
                if not (other.startswith("_") or callable(value))
            ]
            close = difflib.get_close_matches(name, known, 1)
            hint = " Did you mean %s?" % close[0] if close else ""
            raise Failure(REFUSED, "There is no variable %s.%s" % (name, hint))
        found[name] = namespace[name]
    return found
