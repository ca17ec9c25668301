"""Compares what the user's names stand for with what they stood for.

It travels to the session as text before that of `lineage`. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import re
from itertools import compress
from operator import ne
from typing import Any

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.looks import is_atom
    from tci_kernel.remote.reading import EARLIER

# Names that are the interpreter's and not the user's.
INTERPRETERS_OWN = re.compile("__.*|_i+|_i[0-9]+|_[iod]h|_exit_code|In|exit|quit|get_ipython|open")


class Names:
    """The user's names, and what they stand for.

    Attributes:
        atoms: small values that can't change.
        places: the ids of all other values. They are not held: they may be large.
    """

    def __init__(self) -> None:
        self.atoms: dict[str, Any] = {}
        self.places: dict[str, int] = {}
        self.own: set[str] = set()  # the interpreter's
        self.names: list[str] = []  # all, as they were compared last
        self.ids: list[int] = []  # of their values

    def __contains__(self, name: str) -> bool:
        return name in self.atoms or name in self.places

    def all(self) -> set[str]:
        """All that were the user's when they were compared last."""
        return {*self.atoms, *self.places}

    def compare(self, namespace: dict[str, Any]) -> tuple[set[str], set[str]]:
        """The names that stand for other objects than they did, and those that are gone.

        Args:
            namespace: the names as they are, with the interpreter's own.
        """
        namespace = dict(namespace)  # threads may change it meanwhile
        names, ids = [*namespace], [*map(id, namespace.values())]
        before, then = self.names, self.ids
        self.names, self.ids = names, ids
        gone: set[str] = set()
        if names[: len(before)] == before:  # as a rule; and few of many are others
            names = [*compress(names, map(ne, ids, then)), *names[len(before) :]]
        else:
            gone = (self.atoms.keys() | self.places.keys()) - namespace.keys()
        new = {name for name in names if self.is_new(name, namespace[name])}
        for name in gone:
            self.forget(name)
        return new, gone

    def is_new(self, name: str, value: Any) -> bool:
        """Whether a name of the user's stands for another object than it did; takes note of it."""
        if name in self.own or self.places.get(name) == id(value):
            return False
        if self.atoms.get(name, self.own) is value:
            return False
        if is_interpreters(name):
            self.own.add(name)
            return False
        self.forget(name)
        self.know(name, value)
        return True

    def know(self, name: str, value: Any) -> None:
        """Note what a variable stands for, to tell whether it still does."""
        if is_atom(value):
            self.atoms[name] = value
        else:
            self.places[name] = id(value)

    def forget(self, name: str) -> None:
        """Know nothing more of a variable's value."""
        self.atoms.pop(name, None)
        self.places.pop(name, None)


def is_interpreters(name: str) -> bool:
    """Whether a name is not the user's."""
    return bool(INTERPRETERS_OWN.fullmatch(name) or EARLIER.fullmatch(name))
