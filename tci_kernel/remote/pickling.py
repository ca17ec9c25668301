"""Pickles the user's variables, and names what can't be: by the path to it, and why.

It travels to the session as text, after that of `reductions` and before that of `saving`. It may
meet any Python from 3.8 on.

What is shared between variables stays shared: each is pickled once by itself, which tells what it
consists of, and those that have something in common are pickled again together. A function or class
that a cell has defined is pickled with its own variable, and named everywhere else.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
import sys
import types
from typing import Any

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.paths import path_to
    from tci_kernel.remote.rebuilding import (
        look_up,
        make_function,
        make_lost,
        set_function,
    )
    from tci_kernel.remote.reductions import is_array, kind_of, special_reduction, why_never

PROTOCOL = 5

# What has no identity that anybody could miss, however often it is there.
PLAIN = (
    *(str, bytes, int, float, complex, bool, tuple, frozenset, type, slice, range),
    *(types.BuiltinFunctionType, types.CodeType, types.ModuleType, types.MethodDescriptorType),
    *(property, staticmethod, classmethod, re.Pattern),
)


class Part:
    """Variables that were pickled together.

    Args:
        variables: by their names.

    Attributes:
        variables: as above.
        pickle: the bytes.
        buffers: those that are not in them, such as an array's data.
        needs: the names of definitions that it refers to.
        lost: what is not in it: the path to it, and why.
    """

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.pickle = b""
        self.buffers: list[memoryview] = []
        self.needs: set[str] = set()
        self.lost: list[list[str]] = []

    def size(self) -> int:
        """Bytes of it all."""
        return len(self.pickle) + sum(map(len, self.buffers))

    def digest(self) -> str:
        """What tells it from others: the SHA-256 of its buffers or, where none are, its pickle."""
        found = hashlib.sha256(b"" if self.buffers else self.pickle)
        for data in self.buffers:
            found.update(data)
        return found.hexdigest()


def pickled(
    variables: dict[str, Any], namespace: dict[str, Any], cloudpickle: Any
) -> tuple[list[Part], list[list[str]]]:
    """Variables as parts, and what is left out of them: the path to it, and why.

    Args:
        variables: by the names under which they are to be found again.
        namespace: the globals of the user's functions.
        cloudpickle: its module.
    """
    make_pickler = pickler_class(cloudpickle)
    left_out: list[list[str]] = []
    owners: dict[int, str] = {}
    kept: list[Any] = []  # so that no id becomes another object's
    storages: dict[int, Any] = {}
    groups = Groups()
    parts: dict[str, Part] = {}
    for name, value in variables.items():
        part = Part({name: value})
        try:
            shared = make_pickler(part, variables, namespace, storages).run()
        except Exception as error:
            left_out.append([name, why(value, error)])
            continue
        if part.lost and not part.lost[0][0]:  # it is itself what can't be saved
            left_out.append([name, part.lost[0][1]])
            continue
        parts[name] = part
        kept.append(shared)
        for key in shared:
            groups.join(owners.setdefault(key, name), name)
    found: list[Part] = []
    for names in groups.all(parts):
        together = [parts[name] for name in names]
        if len(names) > 1:
            part = Part({name: variables[name] for name in names})
            try:
                make_pickler(part, variables, namespace, storages).run()
                together = [part]
            except Exception as error:  # such as too deep a nesting
                reason = "each is saved by itself, and what they share is not shared: %s" % error
                left_out.append([", ".join(names), reason])
        found += together
        left_out += [lost for part in together for lost in part.lost]
    return found, left_out


class Groups:
    """Which names belong together."""

    def __init__(self) -> None:
        self._leaders: dict[str, str] = {}

    def _leader(self, name: str) -> str:
        while self._leaders.get(name, name) != name:
            name = self._leaders[name]
        return name

    def join(self, one: str, other: str) -> None:
        """Put two names, and all that belongs to either, together."""
        self._leaders[self._leader(other)] = self._leader(one)

    def all(self, names: Any) -> list[list[str]]:
        """The groups of names, in the order of the first of each."""
        found: dict[str, list[str]] = {}
        for name in names:
            found.setdefault(self._leader(name), []).append(name)
        return [*found.values()]


def why(value: Any, error: BaseException) -> str:
    """Why a value can't be saved, in a few words."""
    text = str(error).strip().split("\n")[0]
    return "%s: %s" % (kind_of(value), text or type(error).__name__)


def pickler_class(cloudpickle: Any) -> Any:
    """The class of what pickles a part, on top of cloudpickle's."""
    return type("StatePickler", (Pickling, cloudpickle.Pickler), {})


class Pickling:
    """Pickles the variables of a part, and puts a named stand-in where something can't be.

    Args:
        part: it.
        saved: all variables that are saved, whose definitions are named.
        namespace: the globals of the user's functions.
        storages: the memory of tensors that was found so far, by its address.
    """

    memo: Any
    dispatch_table: Any

    def __init__(
        self,
        part: Part,
        saved: dict[str, Any],
        namespace: dict[str, Any],
        storages: dict[int, Any],
    ) -> None:
        self.file = io.BytesIO()
        above: Any = super()
        above.__init__(
            self.file, PROTOCOL, buffer_callback=lambda one: part.buffers.append(one.raw())
        )
        self.part = part
        self.saved = saved
        self.namespace = namespace
        self.storages = storages
        self.arrays = {id(value): value for value in saved.values() if is_array(value)}
        self.named: set[int] = set()  # what is looked up by its name when it is loaded
        self.missing: list[tuple[Any, str]] = []

    def run(self) -> dict[int, Any]:
        """Pickle the part; gives what others may share with it, by id."""
        pickler: Any = self
        pickler.dump(self.part.variables)
        self.part.pickle = self.file.getvalue()
        self.part.lost += [
            [path_to(self.part.variables, found), reason] for found, reason in self.missing
        ]
        return {
            key: value
            for key, (_, value) in self.memo.copy().items()
            if key not in self.named and value is not self.part.variables and not is_plain(value)
        }

    def reducer_override(self, value: Any) -> Any:
        """How a value is pickled that is none of the basic types."""
        name = self.definition(value)
        if name:
            self.part.needs.add(name)
            self.named.add(id(value))
            return look_up, (name,)
        never = why_never(value)
        if never:
            return self.lose(value, never)
        try:
            special = special_reduction(value, self.arrays, self.storages)
            reduced = special or self.reduced(value)
        except RecursionError:
            raise
        except Exception as error:
            return self.lose(value, why(value, error))
        if reduced is NotImplemented or isinstance(reduced, str):
            self.named.add(id(value))
        return reduced

    def definition(self, value: Any) -> str:
        """The name by which a function or class of the user's is found; empty if by none."""
        if not isinstance(value, (type, types.FunctionType, functools._lru_cache_wrapper)):
            return ""
        name = getattr(value, "__name__", "")
        is_own = getattr(value, "__module__", "") == "__main__"
        is_found = is_own and self.saved.get(name) is value
        return name if is_found and name not in self.part.variables else ""

    def reduced(self, value: Any) -> Any:
        """How cloudpickle, or a value itself, has it pickled."""
        above: Any = super()
        reduced = above.reducer_override(value)
        if isinstance(value, types.FunctionType) and reduced is not NotImplemented:
            return self.of_user(value, reduced)
        if reduced is not NotImplemented or isinstance(value, (type, types.FunctionType)):
            return reduced
        reduce = self.dispatch_table.get(type(value))
        return reduce(value) if reduce else value.__reduce_ex__(PROTOCOL)

    def of_user(self, function: Any, reduced: Any) -> Any:
        """The reduction of a function; of one of the user's, without its globals."""
        if function.__globals__ is not self.namespace:
            return reduced
        _, (code, *_, closure), (attributes, members), *_ = reduced
        state = attributes, {**members, "__globals__": {}}
        return make_function, (code, closure), state, None, None, set_function

    def lose(self, value: Any, reason: str) -> Any:
        """Leave a value out."""
        self.missing.append((value, reason))
        return make_lost, (reason,)


def is_plain(value: Any) -> bool:
    """Whether nobody could miss a value's identity."""
    numpy = sys.modules.get("numpy")
    return isinstance(value, PLAIN) or (
        numpy is not None and isinstance(value, (numpy.generic, numpy.dtype))
    )
