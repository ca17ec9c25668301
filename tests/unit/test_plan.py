"""What is carried and what is made again, against trying all there is."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.remote.plan import CARRIED_PER_SECOND, LEAST_SECONDS, Group, Plan

NAMES = "abcd"
MEGABYTE = 1_000_000


def cell(gives: str, reads: str = "", seconds: float = 1.0, **reasons: str) -> dict[str, Any]:
    return {"gives": [*gives], "reads": [*reads], "seconds": seconds, **UNHINDERED, **reasons}


UNHINDERED = {"outside": "", "never": ""}


def groups(**sizes: float | None) -> list[Group]:
    """Groups of variables by their names, and their sizes in megabytes."""
    return [
        Group(names, None if size is None else size * MEGABYTE, ()) for names, size in sizes.items()
    ]


def planned(cells: list[dict[str, Any]], found: list[Group], *, reruns: bool = False) -> Any:
    plan = Plan(cells, found, (), reruns_outside=reruns)
    return ["".join(group.names) for group in plan.remade], plan.steps


def test_it_takes_the_cheaper_way() -> None:
    cells = [cell("a", seconds=10), cell("b", "a", seconds=1)]
    assert planned(cells, groups(a=40, b=40)) == (["b"], [1])
    assert planned(cells, groups(a=400, b=4)) == (["a"], [0])
    assert planned(cells, groups(a=8, b=6)) == ([], [])


def test_two_that_need_the_same_cell_share_its_price() -> None:
    cells = [cell("ab", seconds=6)]
    assert planned(cells, groups(a=40)) == ([], [])
    assert planned(cells, groups(a=40, b=40)) == (["a", "b"], [0])


def test_what_was_changed_since_takes_the_cells_that_changed_it() -> None:
    cells = [cell("a", seconds=0), cell("b", "a", seconds=0), cell("a", "a", seconds=0)]
    assert planned(cells, groups(b=400, a=1)) == (["b"], [0, 1])
    assert planned(cells, groups(a=400, b=1)) == (["a"], [0, 2])


def test_small_ones_are_carried_in_any_case() -> None:
    assert planned([cell("a", seconds=0)], groups(a=3)) == ([], [])


def test_what_cant_be_carried_is_made_again_at_any_price() -> None:
    assert planned([cell("a", seconds=500)], groups(a=None)) == (["a"], [0])
    assert planned([cell("a", never="it failed")], groups(a=None)) == ([], [])
    assert planned([cell("a", outside="open")], groups(a=None)) == ([], [])
    assert planned([cell("a", outside="open")], groups(a=None), reruns=True) == (["a"], [0])
    assert planned([], groups(a=None)) == ([], [])


def test_a_definition_that_is_made_again_brings_all_that_it_came_with() -> None:
    cells = [cell("ab", seconds=0)]
    of_a = Group("a", 400 * MEGABYTE, ["b"])
    assert planned(cells, [of_a, Group("b", 1000, ())]) == (["a", "b"], [0])


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    one = st.builds(
        cell,
        st.text(NAMES, min_size=1, max_size=2),
        st.text(NAMES, max_size=2),
        st.sampled_from([0.1, 1.0, 5.0]),
        never=st.sampled_from(["", "", "", "it failed"]),
    )
    return draw(st.lists(one, min_size=1, max_size=6))


SIZES = st.fixed_dictionaries({name: st.sampled_from([0, 8, 40]) for name in NAMES})


@given(records(), SIZES)
def test_no_other_choice_is_cheaper(cells: list[dict[str, Any]], sizes: dict[str, float]) -> None:
    found = groups(**sizes)
    plan = Plan(cells, found, (), reruns_outside=False)

    def price(steps: set[int], remade: set[str]) -> float:
        carried: float = sum(group.worth for group in found if not remade.issuperset(group.names))
        return carried + sum(float(cells[step]["seconds"]) + LEAST_SECONDS for step in steps)

    best = price(set(), set())
    for chosen in itertools.chain.from_iterable(
        itertools.combinations(NAMES, count) for count in range(1, len(NAMES) + 1)
    ):
        steps = _closure(cells, {*chosen})
        if steps is not None:
            best = min(best, price(steps, {*chosen}))
    made = {name for group in plan.remade for name in group.names}
    assert abs(price({*plan.steps}, made) - best) < 1 / CARRIED_PER_SECOND


def _closure(cells: list[dict[str, Any]], names: set[str]) -> set[int] | None:
    """The cells that names need; None if there is one that can't be run."""
    last = {name: number for number, one in enumerate(cells) for name in one["gives"]}
    pending = [last.get(name) for name in names]
    steps: set[int] = set()
    while pending:
        step = pending.pop()
        if step is None or cells[step]["never"]:
            return None
        if step not in steps:
            steps.add(step)
            for name in cells[step]["reads"]:
                before = [n for n in range(step) if name in cells[n]["gives"]]
                if not before and name in last:
                    return None
                if before and before[-1] != last[name]:
                    pending.append(before[-1])
    return steps
