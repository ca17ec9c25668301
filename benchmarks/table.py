"""Rows of measurements: taken in alternation, shown as medians with their ratio."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Measure = Callable[[], float]

# How often each of a pair is measured, where a row does not say.
ROUNDS = 10

HEAD = (
    "| what | ours | against | | ratio | goal | |\n| --- | ---: | --- | ---: | ---: | --- | --- |"
)


@dataclass(frozen=True)
class Row:
    """A measurement, and what it is compared with.

    Attributes:
        what: is measured.
        against: the name of the other side; empty where there is none.
        ours: measures once.
        theirs: the same of the other side, or None.
        unit: of both; "s" is shown as milliseconds.
        goal: the highest ratio (with another side and no difference), else the highest value.
        most: whether a higher ratio is better, so that the goal is the lowest.
        difference: whether ours minus theirs is judged, instead of their ratio.
        rounds: how often each is measured.
    """

    what: str
    ours: Measure
    goal: float | None = None
    against: str = ""
    theirs: Measure | None = None
    unit: str = "s"
    most: bool = False
    difference: bool = False
    rounds: int = ROUNDS

    def measured(self) -> str:
        """Measure in alternation, and give the row of the table."""
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(self.rounds):
            ours.append(self.ours())
            if self.theirs is not None:
                theirs.append(self.theirs())
        mine = statistics.median(ours)
        other = statistics.median(theirs) if theirs else None
        return self._row(mine, other)

    def _row(self, mine: float, other: float | None) -> str:
        if other is None:
            judged, shown = mine, ""
        elif self.difference:
            judged = mine - other
            shown = f"{self._amount(judged)} more"
        else:
            judged = mine / other
            shown = f"{judged:.2f} ×"
        cells = [self.what, self._amount(mine), self.against]
        cells += ["" if other is None else self._amount(other), shown, self._goal(other)]
        return f"| {' | '.join([*cells, self._verdict(judged)])} |"

    def _amount(self, value: float) -> str:
        if self.unit == "s":
            return f"{value * 1000:,.1f} ms"
        return f"{value:,.0f} {self.unit}".strip()

    def _goal(self, other: float | None) -> str:
        if self.goal is None:
            return ""
        sign = "≥" if self.most else "≤"
        if other is None or self.difference:
            return f"{sign} {self._amount(self.goal)}"
        return f"{sign} {self.goal:g} ×"

    def _verdict(self, judged: float) -> str:
        if self.goal is None:
            return ""
        met = judged >= self.goal if self.most else judged <= self.goal
        return "met" if met else "**missed**"


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The lines of a Markdown table, each when it has been measured."""
    yield HEAD
    for row in rows:
        print(f"measuring: {row.what}", file=sys.stderr)
        yield row.measured()
