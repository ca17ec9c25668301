"""Looks at values: what memory they hold, what is in it, and which names their code can use.

It travels to the session as text before that of `lineage`. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import datetime
import decimal
import functools
import gc
import hashlib
import re
import sys
import time
import types
from typing import Any, Callable, Iterable

# What can't change. A long text is not held on to, to know whether it is still the same.
ATOMS = (int, float, complex, bool, str, bytes, type(None), type(...), range, slice)
LONGEST = 1 << 20

# Objects of a value that are looked at, and those between two looks at the clock.
MOST_LOOKED_AT = 2_000
TURN = 100

# Bytes that SHA-256 takes a second, with some to spare: measured, 1.9e9.
HASHED_PER_SECOND = 1e9


class Look:
    """What there is to know of a value.

    Attributes:
        memory: the ids of the objects that it consists of; None if there are too many.
        digest: tells it from what it was or will be; None if that would take too long.
        names: global names that its functions use.
        packages: where its objects' classes are from.
    """

    def __init__(self) -> None:
        self.memory: Any = None
        self.digest: bytes | None = None
        self.names: set[str] = set()
        self.packages: set[str] = set()

    def shares_with(self, other: Look) -> bool:
        """Whether two values may have something in common."""
        if self.memory is None or other.memory is None:
            return True
        shared: bool = not self.memory.isdisjoint(other.memory)
        return shared

    def is_as(self, other: Look | None) -> bool:
        """Whether a value is surely what it was at another look."""
        return other is not None and self.digest is not None and self.digest == other.digest


def is_atom(value: Any) -> bool:
    """Whether a value can't change and is small."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) <= LONGEST
    return kind in ATOMS or isinstance(value, (types.ModuleType, types.BuiltinFunctionType))


def look_at(values: list[Any], deadline: float) -> Look:
    """Look at values, as if they were one.

    Args:
        values: they.
        deadline: when to give up, by `time.perf_counter`.
    """
    return Looking(deadline).run(values)


class Looking:
    """A walk through the objects of a value, the same way each time.

    No object is looked at that was made for it alone: the next may have its id.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.found = Look()
        self.hash = hashlib.sha256()
        self.is_whole = True  # whether the hash is of all that there is
        self.is_blind = False  # whether there are objects that were not seen
        self.seen: dict[int, int] = {}  # numbers of the objects, by their ids
        self.pending: list[Any] = []

    def run(self, values: list[Any]) -> Look:
        """Look at values and all that they consist of."""
        self.pending += values
        count = 0
        while self.pending:
            count += 1
            if count > MOST_LOOKED_AT or (
                count % TURN == 0 and time.perf_counter() > self.deadline
            ):
                return self.found
            try:
                self.visit(self.pending.pop())
            except Exception:  # of what the user's classes do when they are looked at
                self.is_blind, self.is_whole = True, False
        self.found.memory = None if self.is_blind else self.seen.keys()
        self.found.digest = self.hash.digest() if self.is_whole else None
        return self.found

    def visit(self, value: Any) -> None:
        """Look at one object."""
        if type(value) in ATOMS:
            self.note(value)
            return
        if isinstance(value, types.ModuleType):
            self.found.packages.add(package_of(value.__name__))
            return
        if isinstance(value, type) and value.__module__ != "__main__":
            self.found.packages.add(package_of(value.__module__))
        if isinstance(value, CONSTANT) or is_a("numpy", "generic", value):
            self.note(type(value).__name__, value)
            return
        if isinstance(value, DESCRIPTORS) or (
            isinstance(value, type) and value.__module__ != "__main__"
        ):
            self.note(id(value))
            return
        is_new = id(value) not in self.seen
        self.note(self.seen.setdefault(id(value), len(self.seen)), type(value).__name__)
        if is_new and isinstance(value, bytearray):
            self.note(bytes(value))
        elif is_new:
            self.pending += self.contents(value)

    def note(self, *values: Any) -> None:
        """Have the digest depend on values."""
        self.hash.update(repr(values).encode(errors="backslashreplace"))

    def contents(self, value: Any) -> Iterable[Any]:
        """What an object consists of."""
        contents = CONTENTS.get(type(value))
        if contents is not None:
            return contents(value)
        if isinstance(value, types.FunctionType):
            return self.of_function(value)
        if isinstance(value, type):
            return [*value.__bases__, *items_of(vars(value))]
        self.found.packages.add(package_of(type(value).__module__))
        for module, names, method in LIBRARIES:
            if any(is_a(module, name, value) for name in names):
                found: Iterable[Any] = getattr(self, method)(value)
                return found
        return self.of_object(value)

    def of_function(self, function: types.FunctionType) -> list[Any]:
        """Of a function of the user's, what it holds besides its code."""
        self.note(id(function.__code__))
        if function.__module__ != "__main__":
            self.found.packages.add(package_of(function.__module__))
            return []
        self.found.names |= names_of(function.__code__)
        cells = [cell.cell_contents for cell in function.__closure__ or () if is_filled(cell)]
        return [function.__defaults__, function.__kwdefaults__, function.__dict__, *cells]

    def of_array(self, array: Any) -> list[Any]:
        """An array has its data's owner in common with others that show the same data."""
        self.note(array.shape, array.strides, str(array.dtype))
        base = [array.base] if is_a("numpy", "ndarray", array.base) else []
        base += items_of(getattr(array, "__dict__", {}))  # of a class derived from it
        array = array.view(sys.modules["numpy"].ndarray)
        if not array.dtype.hasobject:
            if array.nbytes and self.is_in_time(array.nbytes):
                whole = array if array.flags.c_contiguous else array.copy()
                self.hash.update(whole.reshape(-1).view("u1"))
            return base
        if array.size <= MOST_LOOKED_AT:
            return [*base, *array.ravel().tolist()]
        self.is_blind, self.is_whole = True, False
        return base

    def of_arrow(self, array: Any) -> list[Any]:
        """An Arrow array of one part or several."""
        for part in getattr(array, "chunks", [array]):
            self.note(part.offset, len(part), str(part.type))
            for buffer in part.buffers():
                if buffer is not None and self.is_in_time(buffer.size):
                    self.hash.update(memoryview(buffer))
        return []

    def is_in_time(self, size: int) -> bool:
        """Whether there is time for the hash of so many bytes."""
        is_in_time = time.perf_counter() + size / HASHED_PER_SECOND < self.deadline
        self.is_whole = self.is_whole and is_in_time
        return is_in_time

    def of_generator(self, generator: Any) -> list[Any]:
        """A generator of random numbers."""
        self.note(generator.bit_generator.state)
        return []

    def of_pandas(self, value: Any) -> list[Any]:
        """A table, a column or an index, without what pandas keeps to find it faster again."""
        if hasattr(value, "_mgr"):
            return [*value._mgr.arrays, *value._mgr.axes]
        if hasattr(value, "levels"):
            return [*value.names, *value.levels, *value.codes]
        return [*value.names, getattr(value, "_range", None) or value._data]

    def of_extension(self, array: Any) -> list[Any]:
        """An array of pandas' own."""
        names = ("_ndarray", "_data", "_mask", "_pa_array", "_codes", "_left", "_right")
        found = [getattr(array, name) for name in names if hasattr(array, name)]
        self.is_whole = self.is_whole and bool(found)
        self.note(str(array.dtype))
        return found

    def of_object(self, value: Any) -> list[Any]:
        """Any other object."""
        found: list[Any] = [type(value)]
        state = getattr(value, "__dict__", None)
        slots = [
            getattr(value, name)
            for kind in type(value).__mro__
            for name in slots_of(kind)
            if hasattr(value, name)
        ]
        found += next((CONTENTS[kind](value) for kind in BASIC if isinstance(value, kind)), ())
        if len(found) == 1 and not is_made_of_python(type(value)):
            self.is_whole = False  # what else is in it can't be seen
            found += [one for one in gc.get_referents(value) if not is_of_module(one)]
        if isinstance(value, types.GeneratorType):
            self.found.names |= names_of(value.gi_code)
        return [*found, *(items_of(state) if isinstance(state, dict) else ()), *slots]


def items_of(found: Any) -> list[Any]:
    """The keys and the values of a mapping."""
    return [part for item in [*found.items()] for part in item]


# What parts of Python in C have in a class.
DESCRIPTORS = (
    *(types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType),
    *(types.MethodDescriptorType, types.ClassMethodDescriptorType),
)

# What has a value that can't change, and says it.
CONSTANT = (
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo),
    *(decimal.Decimal, re.Pattern),
)

# The basic types that others may be derived from.
BASIC = (list, tuple, set, frozenset, dict)

# Of a class, whether it was made as it runs, and not built in: Py_TPFLAGS_HEAPTYPE.
HEAP_TYPE = 1 << 9

# The classes of libraries whose objects say in ways of their own what they consist of.
LIBRARIES = (
    ("numpy", ("ndarray",), "of_array"),
    ("numpy.random", ("Generator",), "of_generator"),
    ("pandas", ("DataFrame", "Series", "Index"), "of_pandas"),
    ("pandas.api.extensions", ("ExtensionArray",), "of_extension"),
    ("pyarrow", ("Array", "ChunkedArray"), "of_arrow"),
)

# What objects of basic types consist of.
CONTENTS: dict[type, Callable[[Any], Iterable[Any]]] = {
    list: list,
    tuple: list,
    set: list,
    frozenset: list,
    dict: items_of,
    types.MethodType: lambda method: [method.__self__, method.__func__],
    types.BuiltinFunctionType: lambda function: [function.__self__],
    functools.partial: lambda made: [made.func, made.args, made.keywords, made.__dict__],
    property: lambda made: [made.fget, made.fset, made.fdel],
    staticmethod: lambda made: [made.__func__],
    classmethod: lambda made: [made.__func__],
}


@functools.lru_cache(maxsize=4096)
def names_of(code: types.CodeType) -> frozenset[str]:
    """The names of globals and attributes that code uses, with the functions in it."""
    inner = [names_of(one) for one in code.co_consts if isinstance(one, types.CodeType)]
    return frozenset(code.co_names).union(*inner)


def is_made_of_python(kind: type) -> bool:
    """Whether objects of a class have nothing but attributes: no part of it is written in C."""
    for base in kind.__mro__:
        new = base.__new__
        is_own = isinstance(new, types.BuiltinFunctionType) and new.__self__ is base
        if is_own or not base.__flags__ & HEAP_TYPE:
            return base is object
    return False


def package_of(module: Any) -> str:
    """The package that a module belongs to; of a part of Python in C, what it is a part of."""
    return str(module).partition(".")[0].lstrip("_") if module != "__main__" else "__main__"


def slots_of(kind: type) -> list[str]:
    """The names of the slots that a class itself has."""
    slots = vars(kind).get("__slots__", ())
    return [slots] if isinstance(slots, str) else [str(name) for name in slots]


def is_filled(cell: Any) -> bool:
    """Whether a variable of an outer function has a value."""
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def is_of_module(value: Any) -> bool:
    """Whether something belongs to a module, and not to what refers to it."""
    is_namespace = isinstance(value, dict) and ("__builtins__" in value or "__name__" in value)
    return is_namespace or isinstance(value, (types.CodeType, types.FrameType))


def is_a(module: str, name: str, value: Any) -> bool:
    """Whether a value is of a class of a module, which need not be there."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
