"""Chooses, for a state that is saved, what is carried and what cells make again; see `plan`.

It travels to the session as text before that of `saving`. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import itertools
import re
import time
import types
from typing import Any, Iterable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.looks import Look, look_at
    from tci_kernel.remote.pickling import Groups, Part
    from tci_kernel.remote.plan import LEAST_BYTES, Group, Plan
    from tci_kernel.remote.reductions import kind_of

# Seconds to look for what is shared with something that can't be pickled.
LOOKING_LIMIT = 1.0

# A variable, or what a cell has given, as they stand before what is in them.
TOP = re.compile(r"Out\[\d+\]|\w+")


class Choice:
    """What is carried, and what is made again.

    Args:
        record: of the cells.
        variables: all that there is, by name.
        parts: what of that was pickled.
        left_out: what could not be: the path to it, and why.
        named: what is imported again.

    Attributes:
        carried: those of the parts that are.
        remade: those that are made again, with what could not be pickled.
        left_out: what is neither carried nor made again.
    """

    def __init__(
        self,
        record: list[dict[str, Any]],
        variables: dict[str, Any],
        parts: list[Part],
        left_out: list[list[str]],
        named: Iterable[str],
    ) -> None:
        self.record = record
        self.variables = variables
        self.parts = parts
        self.carried = parts
        self.remade: list[Part] = []
        self.left_out = left_out
        self.named = [*named]
        pickled = {name for part in parts for name in part.variables}
        self.lost = [
            Part({name: variables[name]})
            for name, _ in left_out
            if name in variables and name not in pickled
        ]
        self.definitions = {
            id(value)
            for value in variables.values()
            if isinstance(value, (type, types.FunctionType))
        }
        self.groups = self.grouped()

    def make(self, reruns: bool) -> dict[str, Any]:
        """Choose; gives what the manifest says of it.

        Args:
            reruns: whether cells are run again that use what is outside the session.
        """
        plan = self.plan(reruns)
        self.remade = [part for group in plan.remade for part in self.groups[group]]
        self.carried = [part for part in self.parts if part not in self.remade]
        self.left_out = self.told(plan, plan if reruns else self.plan(True))
        made = [
            {
                "names": [*part.variables],
                "digest": self.digest_of(part),
                "cells": len([step for step in plan.steps if step <= plan.last_step(group)]),
            }
            for group in plan.remade
            for part in self.groups[group]
        ]
        cells = [
            {
                "number": self.record[step]["number"],
                "source": self.record[step]["source"],
                "carried": plan.carried_for(step),
            }
            for step in plan.steps
        ]
        return {"parts": made, "cells": cells, "seconds": plan.seconds}

    def digest_of(self, part: Part) -> str:
        """What tells data from other data; empty of what is small, or code, and not only data."""
        is_data = bool(part.buffers) or part.size() >= LEAST_BYTES
        return part.digest() if is_data and not part.lost else ""

    def described(self) -> list[dict[str, Any]]:
        """What the manifest says of the variables."""
        carried = [described(part, name) for part in self.carried for name in part.variables]
        remade = [described(part, name) for part in self.remade for name in part.variables]
        return [*carried, *({**one, "bytes": 0} for one in remade)]

    def plan(self, reruns: bool) -> Plan:
        """What is made again, and how."""
        return Plan(self.record, [*self.groups], self.named, reruns_outside=reruns)

    def grouped(self) -> dict[Group, list[Part]]:
        """What is carried together or made again together: what shares something.

        Of what was pickled, parts share nothing with each other. Of what was not, and of what has
        something left out, nobody knows until it is looked at; and if that is too large, it may be
        all that has stood in one cell with it.
        """
        parts = {next(iter(part.variables)): part for part in [*self.parts, *self.lost]}
        groups = Groups()
        blind = [name for name, part in parts.items() if part.lost or not part.pickle]
        if blind and self.record:
            deadline = time.perf_counter() + LOOKING_LIMIT
            looks = {name: self.look(part, deadline) for name, part in parts.items()}
            for name, other in itertools.product(blind, parts):
                if None in (looks[name].memory, looks[other].memory):
                    shares = self.have_met(parts[name], parts[other])
                else:
                    shares = looks[name].shares_with(looks[other])
                if shares:
                    groups.join(name, other)
        found = {}
        for names in groups.all(parts):
            members = [parts[name] for name in names]
            is_whole = all(part.pickle and not part.lost for part in members)
            size = sum(part.size() for part in members) if is_whole else None
            needs = {need for part in members for need in part.needs}
            found[Group([n for part in members for n in part.variables], size, needs)] = members
        return found

    def have_met(self, part: Part, other: Part) -> bool:
        """Whether some cell has had to do with something of both."""
        for cell in self.record:
            names = {*cell["reads"], *cell["gives"]}
            if not (names.isdisjoint(part.variables) or names.isdisjoint(other.variables)):
                return True
        return False

    def look(self, part: Part, deadline: float) -> Look:
        """What a part consists of, but for definitions: these are found by their names."""
        found = look_at([*part.variables.values()], deadline)
        if found.memory is not None:
            found.memory = found.memory - self.definitions
        return found

    def told(self, plan: Plan, could: Plan) -> list[list[str]]:
        """What is left out, and which cells would make that again if they were run."""
        remade = {name for group in plan.remade for name in group.names}
        others = {name: group for group in could.remade for name in group.names}
        rows = []
        for path, reason in self.left_out:
            top = TOP.match(path)
            name = top.group() if top else path
            if name not in remade:
                more = self.uses(could, others[name]) if name in others else ""
                rows.append([path, reason + more])
        return rows

    def uses(self, plan: Plan, group: Group) -> str:
        """How a group would be made again, in words."""
        cells = [self.record[step] for step in plan.steps if step <= plan.last_step(group)]
        names = sorted({cell["outside"] for cell in cells if cell["outside"]})
        return "; --rerun has it made again, by cells that use %s" % ", ".join(names)


def described(part: Any, name: str) -> dict[str, Any]:
    """What the manifest says of a variable."""
    value = part.variables[name]
    shape = getattr(value, "shape", None)
    length = len(value) if isinstance(value, (str, bytes, list, tuple, dict, set)) else None
    return {
        "name": name,
        "type": kind_of(value).replace("builtins.", ""),
        "shape": [*map(int, shape)] if isinstance(shape, tuple) else None,
        "length": length,
        "bytes": part.size(),
        "with": [other for other in part.variables if other != name],
    }
