"""Saved states of the IPythons and Pythons that a service may have, and between them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tci_kernel
from tci_kernel.remote import loader
from tests.support.interpreters import IPYTHONS, PLAIN, Interpreter
from tests.support.kernels import DIRECT, Answer, KernelDriver

CODE = """
import functools, re, threading
from dataclasses import dataclass
@dataclass
class Point:
    x: int
    def double(self): return scale * self.x
scale = 2
point = Point(3); alias = [point]
def count(n): return n if n < 1 else count(n - 1) + scale
def outer():
    total = [0]
    return lambda n: total.append(n) or sum(total)
add = outer(); add(4)
lock = threading.Lock(); error = KeyError('k'); match = re.search('b', 'abc')
lost = (i for i in 'ab')
"""

CHECK = """
print(point.double(), alias[0] is point, type(point) is Point, count(3), add(1),
      lock.acquire(False), repr(error), match.span(), 'lost' in globals())
"""

KEPT = "6 True True 6 5 True KeyError('k') (1, 2) False\n"

# What runs in sessions of the oldest Python that states are saved in.
OLDEST = (3, 8)


def told(answer: Answer) -> str:
    """What a command has shown, last."""
    data: dict[str, Any] = answer.outputs[-1][1]["data"]
    return " ".join(str(data["text/plain"]).split())


def saved(driver: KernelDriver, path: Path) -> str:
    """What a save has said of a session in which the code has run."""
    assert driver.run(CODE).reply["status"] == "ok"
    return told(driver.run(f"%tci save {path}"))


@pytest.mark.parametrize("name", ["saving", "loading"])
def test_all_that_is_sent_is_old_python(name: str) -> None:
    place = Path(tci_kernel.__file__).parent / "remote"
    for part in (*loader._BASES[name], name):
        ast.parse((place / f"{part}.py").read_text(), feature_version=OLDEST)


@pytest.mark.parametrize("options", [(), (DIRECT,)], ids=["live", "directly"])
@pytest.mark.parametrize("name", [*IPYTHONS, PLAIN])
def test_they_save_and_load(
    name: str,
    options: tuple[str, ...],
    interpreters: Callable[[str], Interpreter],
    tmp_path: Path,
) -> None:
    with interpreters(name).kernel(*options) as driver:
        assert "lost a generator" in saved(driver, tmp_path / "s.tci")
        driver.run("%tci new")
        assert "Not loaded" not in told(driver.run(f"%tci load {tmp_path / 's.tci'}"))
        assert driver.run(CHECK).text() == KEPT


def test_what_another_python_has_saved_is_never_unpickled(
    interpreters: Callable[[str], Interpreter], tmp_path: Path
) -> None:
    oldest = next(iter(IPYTHONS))
    with interpreters(oldest).kernel() as theirs:
        version = theirs.run("import sys; print(*sys.version_info[:2], sep='.')").text().strip()
        saved(theirs, tmp_path / "s.tci")
    with interpreters("ipython-9").kernel() as ours:
        said = told(ours.run(f"%tci load {tmp_path / 's.tci'}"))
        assert f"the state is of {version}." in said
        assert ours.run("scale = 5; print(Point(2).double(), count(1))").text() == "10 5\n"
        assert ours.run("print('point' in globals())").text() == "False\n"
