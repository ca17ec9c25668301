"""Gives a session the variables of a saved state: those that it carries, and those that cells make.

It travels to the session as text before that of `loading`. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import importlib
import pickle
import random
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.pickling import Part, pickler_class
    from tci_kernel.remote.remaking import Remaking
    from tci_kernel.remote.shared_names import NUMPY_RANDOM, RANDOM, TORCH_RANDOM


class Restoring:
    """The variables of a state on their way into the session.

    Args:
        manifest: what the state says of itself.
        bytes_of: gives the bytes of blocks, by their names.
        namespace: the user's variables.
        fail: is told what could not be had, and why.

    Attributes:
        values: what has been given, by name.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        bytes_of: Callable[[list[str]], bytearray],
        namespace: dict[str, Any],
        fail: Callable[[str, object], None],
    ) -> None:
        self.again = manifest["again"]
        self.parts = in_order(manifest["parts"])
        self.owners = {name: part for part in self.parts for name in part["names"]}
        self.bytes_of = bytes_of
        self.namespace = namespace
        self.fail = fail
        self.values: dict[str, Any] = {}

    def run(self) -> None:
        """Have the cells run that make variables again, and load the others."""
        remaking = Remaking(self.again, self.namespace, self.give)
        made = remaking.run() if self.again["cells"] else {}
        for name, error in remaking.failed:
            self.fail(name, error)
        for name, value in [*self.values.items(), *made.items()]:
            self.set(name, value)
        for part in self.parts:
            self.load(part)

    def load(self, part: dict[str, Any]) -> None:
        """Load variables that were pickled together, unless they are there."""
        if part["names"][0] in self.values:
            return
        try:
            buffers = [self.bytes_of(names) for names in part["buffers"]]
            found = pickle.loads(self.bytes_of(part["pickle"]), buffers=buffers)
        except Exception as error:
            for name in part["names"]:
                self.fail(name, error)
            return
        for name in part["names"]:
            try:
                self.set(name, found[name])
            except Exception as error:
                self.fail(name, error)

    def give(self, name: str) -> None:
        """Give a variable the value that is carried, and what it needs as well."""
        part = self.owners[name]
        for need in part["needs"]:
            if need in self.owners and need not in self.values:
                self.give(need)
        self.load(part)
        self.set(name, self.values[name])

    def set(self, name: str, value: Any) -> None:
        """Give a variable, or what stands in its place, its value."""
        if name == RANDOM:
            random.setstate(value)
        elif name == NUMPY_RANDOM:
            importlib.import_module("numpy.random").set_state(value)
        elif name == TORCH_RANDOM:
            importlib.import_module("torch.random").set_rng_state(value)
        elif name.startswith("Out["):
            number = int(name[len("Out[") : -1])
            self.namespace.get("_oh", {})[number] = value
            self.namespace["_%d" % number] = value
        else:
            self.namespace[name] = value
        self.values[name] = value

    def different(self, cloudpickle: Any) -> list[str]:
        """The names of variables that cells have made, and that are not what they were."""
        found = []
        for made in self.again["parts"]:
            names = [name for name in made["names"] if name in self.values]
            part = Part({name: self.values[name] for name in names})
            if made["digest"] and names == made["names"]:
                pickler_class(cloudpickle)(part, self.values, self.namespace, {}).run()
                if part.digest() != made["digest"]:
                    found += names
        return found


def in_order(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts, each after those that define what it needs."""
    owners = {name: number for number, part in enumerate(parts) for name in part["names"]}
    order: list[int] = []
    seen: set[int] = set()
    for start in range(len(parts)):
        pending = [(start, False)]
        while pending:
            number, is_done = pending.pop()
            if is_done:
                order.append(number)
            elif number not in seen:
                seen.add(number)
                pending.append((number, True))
                needs = parts[number]["needs"]
                pending += [(owners[name], False) for name in needs if name in owners]
    return [parts[number] for number in order]
