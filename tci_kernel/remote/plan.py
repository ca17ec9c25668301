"""Decides what a saved state carries and what cells make again, whichever is cheaper in all.

It travels to the session as text before that of `saving`. It may meet any Python from 3.8 on.

Which variables to make again, and with that which cells to run, is a closure of the greatest
worth in a graph: who takes a variable takes the cells that it needs. A minimum cut finds it (Picard
1976; the ElasticNotebook of VLDB 2024 decides by one as well).
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any, Iterable

# The module's name in the session.
MODULE = "_tci_kernel_call"

# Bytes that are carried in a second, out of a session and into one: measured, 12 and 24 million.
CARRIED_PER_SECOND = 8e6

# Bytes up to which a variable is carried in any case, and seconds that running any cell costs.
LEAST_BYTES = 4e6
LEAST_SECONDS = 0.05

# The worth of what can't be carried at all, and the price of what can't be run.
WORTH_OF_LOST = 1e9
PRICE_OF_NEVER = 1e12


class Group:
    """Variables that are carried together, or made again together.

    Args:
        names: theirs.
        size: bytes that they are carried as; None if they can't be.
        needs: the names of definitions that they refer to.
    """

    def __init__(self, names: Iterable[str], size: float | None, needs: Iterable[str]) -> None:
        self.names = [*names]
        self.size = size
        self.needs = {*needs}

    @property
    def worth(self) -> float:
        """Seconds that it costs to carry them."""
        if self.size is None:
            return WORTH_OF_LOST
        return self.size / CARRIED_PER_SECOND if self.size >= LEAST_BYTES else 0.0


class Plan:
    """What to make again, and by which cells.

    Args:
        cells: the record of them, as `lineage` has it.
        groups: all that is to be there in the end, but for what is carried in any case.
        carried: the names of that.
        reruns_outside: whether cells are run again that use what is outside the session.

    Attributes:
        remade: the groups that are made again.
        steps: the positions in the record of the cells that are run for them, in order.
    """

    def __init__(
        self,
        cells: list[dict[str, Any]],
        groups: list[Group],
        carried: Iterable[str],
        *,
        reruns_outside: bool,
    ) -> None:
        self.cells = cells
        self.groups = groups
        self.carried = {*carried}
        self.reruns_outside = reruns_outside
        self.owner = {name: group for group in groups for name in group.names}
        self.defined = {name for group in groups for name in group.needs}
        self.givers: dict[str, list[int]] = defaultdict(list)
        for position, cell in enumerate(cells):
            for name in cell["gives"]:
                self.givers[name].append(position)
        self.remade, self.steps = self.decide()

    def decide(self) -> tuple[list[Group], list[int]]:
        """The groups to make again, and the cells."""
        graph = Graph()
        pending: list[Any] = [group for group in self.groups if group.worth]
        for group in pending:
            graph.connect("start", group, group.worth)
        self.connect_needs(graph, pending)
        taken = graph.reachable_after_cut("start", "end")
        steps = sorted(node for node in taken if isinstance(node, int))
        return [group for group in self.groups if group in taken], steps

    def connect_needs(self, graph: Graph, pending: list[Any]) -> None:
        """Have groups need the cells that have given their variables last, and what those need."""
        seen: set[Any] = set()
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            needs = self.needs_of_group(node) if isinstance(node, Group) else self.needs_of(node)
            if isinstance(node, int):
                graph.connect(node, "end", self.price_of(node))
            for need in needs:
                graph.connect(node, need, PRICE_OF_NEVER * 2)
            pending += needs

    def needs_of_group(self, group: Group) -> list[Any]:
        """The cells that have given a group's variables last."""
        return [*dict.fromkeys(map(self.last_giver, group.names))]

    def last_giver(self, name: str) -> int:
        """The position of the cell that has given a variable last; -1 if none has."""
        return [-1, *self.givers[name]][-1]

    def needs_of(self, position: int) -> list[Any]:
        """The cells that are run before a cell, and the definitions that it makes again.

        Args:
            position: of the cell; -1 stands for what nobody has recorded.
        """
        if position < 0:
            return []
        needs: list[Any] = []
        for name in self.cells[position]["reads"]:
            before = [-1, *(giver for giver in self.givers[name] if giver < position)]
            if not self.is_carried(name, before[-1]):
                needs.append(before[-1])
        needs += [
            self.owner[name]
            for name in self.cells[position]["gives"]
            if name in self.defined and self.givers[name][-1] == position and name in self.owner
        ]
        return [*dict.fromkeys(needs)]

    def is_carried(self, name: str, position: int) -> bool:
        """Whether what a cell has given is there in any case: as it is, or made again."""
        is_last = self.last_giver(name) == position
        is_whole = name in self.owner and self.owner[name].size is not None
        return is_last and (is_whole or name in self.carried)

    def price_of(self, position: int) -> float:
        """Seconds for a cell."""
        if position < 0:
            return PRICE_OF_NEVER
        cell = self.cells[position]
        if cell["never"] or (cell["outside"] and not self.reruns_outside):
            return PRICE_OF_NEVER
        return float(cell["seconds"]) + LEAST_SECONDS

    @property
    def seconds(self) -> float:
        """How long the cells take that are run."""
        return sum(float(self.cells[step]["seconds"]) for step in self.steps)

    def last_step(self, group: Group) -> int:
        """The position of the last cell that gives something of a group."""
        return max(map(self.last_giver, group.names))

    def carried_for(self, step: int) -> list[str]:
        """The names that a cell reads as they are carried."""
        remade = {name for group in self.remade for name in group.names}
        return [
            name
            for name in self.cells[step]["reads"]
            if name in self.owner and name not in remade and self.last_giver(name) < step
        ]


class Graph:
    """A graph with capacities, and its minimum cut, by augmenting paths (Edmonds and Karp 1972)."""

    def __init__(self) -> None:
        self.left: dict[Any, dict[Any, float]] = defaultdict(dict)

    def connect(self, tail: Any, head: Any, capacity: float) -> None:
        """Add an edge."""
        self.left[tail][head] = capacity
        self.left[head].setdefault(tail, 0.0)

    def reachable_after_cut(self, source: Any, sink: Any) -> set[Any]:
        """The nodes on the source's side of the cut."""
        while True:
            came_from = self.paths_from(source)
            if sink not in came_from:
                return {*came_from}
            path = [sink]
            while path[-1] != source:
                path.append(came_from[path[-1]])
            steps = [*zip(path[1:], path)]  # noqa: B905 - for older Pythons
            flow = min(self.left[tail][head] for tail, head in steps)
            for tail, head in steps:
                self.left[tail][head] -= flow
                self.left[head][tail] += flow

    def paths_from(self, source: Any) -> dict[Any, Any]:
        """What can be reached, with the node before each on the shortest way."""
        came_from = {source: source}
        pending = deque([source])
        while pending:
            node = pending.popleft()
            for head, capacity in self.left[node].items():
                if capacity > 0 and head not in came_from:
                    came_from[head] = node
                    pending.append(head)
        return came_from
