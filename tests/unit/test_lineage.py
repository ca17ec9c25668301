"""What is recorded of cells, in a shell of this process."""

from __future__ import annotations

import atexit
import re
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tci_kernel.remote import lineage
from tci_kernel.remote.lineage import Recorder
from tci_kernel.remote.shared_names import NUMPY_RANDOM, RANDOM

Cells = list[dict[str, Any]]

MODULES = {"np", "pd", "random", "datetime", "Counter"}


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The record of a shell, which has all the time that it needs to look at variables."""
    monkeypatch.setattr(lineage, "LEAST_TIME", 60.0)
    main = sys.modules["__main__"]
    # It writes no history, and has nothing to end: its end would collect what others have left.
    config = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell(config=config)  # type: ignore[no-untyped-call]
    sys.modules["__main__"] = main
    yield Recorder(shell)
    atexit.unregister(shell.atexit_operations)
    sys.modules["__main__"] = main


def ran(recorder: Recorder, *cells: str) -> dict[str, Any]:
    """Run cells; gives the record of the last one."""
    for cell in cells:
        recorder.shell.run_cell(cell, store_history=True)
    assert recorder.cells is not None
    return recorder.cells[-1]


@pytest.mark.parametrize(
    ("cells", "reads", "gives"),
    [
        (["a = 1", "b = a"], "a", "b"),
        (["a = [1]", "a.append(2)"], "a", "a"),
        (["a = [1]", "len(a); b = 1"], "a", "b"),
        (["a = [1]; b = a", "b.append(2)"], "a b", "a b"),
        (["a = [1]; b = {'a': a}", "a.append(2)"], "a b", "a b"),
        (["a = [1]", "def f():\n    a.append(2)", "f()"], "a f", "a"),
        (
            ["a = []\nclass C:\n    def f(self):\n        a.append(1)\nb = [C()]", "b[0].f()"],
            "a b",
            "a",
        ),
        (["a = []", "b = (a.append(1) for _ in range(3))", "next(b)"], "a b", "a b"),
        (["a = open('/dev/null')", "next(a, 0); a.close()"], "a", "a"),
        (["from collections import Counter; a = Counter('ab')", "b = a['a']"], "a", "b"),
        (["from collections import Counter; a = Counter('ab')", "a['a'] += 1"], "a", "a"),
        (["a = iter([1, 2])", "next(a)"], "a", "a"),
        (["a = [1]", "%time a.append(2)"], "a", "a"),
        (["a = [1]", "%%time\na.append(2)"], "a", "a"),
        (["a = [1]", "exec('a' + '.append(2)')"], "a", "a"),
        (["import datetime; a = [datetime.date(2026, 1, 1)]", "b = a[0]"], "a", "b"),
        (
            ["import pandas as pd; a = pd.Series(pd.to_datetime(['2026-01-01']))", "b = a[0]"],
            "a",
            "b",
        ),
        (["import pandas as pd; a = pd.DataFrame({'x': ['p', 'q']})", "b = len(a)"], "a", "b"),
        (
            ["import pandas as pd; a = pd.DataFrame({'x': ['p', 'q']})", "a.loc[0, 'x'] = 'r'"],
            "a",
            "a",
        ),
        (
            ["import pandas as pd; a = pd.Series(['p', 'q'], dtype='category')", "b = len(a)"],
            "a",
            "b",
        ),
        (["a = [[1]]; b = [a[0]]", "a.pop().append(2)"], "a b", "a b"),
        (["a = [[1]]; b = [a[0]]", "a[0].append(2); a = 5"], "a b", "a b"),
        (["a = [[1]]; b = [a[0]]", "a[0].append(2); del a"], "a b", "a b"),
        (["a = [[1]]; b = [a[0]]", "a = a[0][0]"], "a", "a"),
        (["a = [1]\ndef c():\n    a.append(2)", "c(); c = 5"], "a c", "a c"),
        (["a = 1", "del a"], "a", "a"),
        (["a = 5", "a = 6"], "", "a"),
        (["a = 5", "a += 6"], "a", "a"),
        (["import numpy as np", "a = np.zeros(5); b = a[1:]", "b[0] = 1"], "a b", "a b"),
        (["import pandas as pd", "a = pd.DataFrame({'x': [1, 2]})", "a['x'] = 3"], "a", "a"),
        (["import pandas as pd", "a = pd.DataFrame({'x': [1, 2]})", "b = a.sum()"], "a", "b"),
        (["import random", "a = random.random()"], f"random {RANDOM}", f"a {RANDOM}"),
        (["import random", "random.seed(1)"], "random", RANDOM),
        (["import numpy as np", "np.random.seed(1)"], "np", NUMPY_RANDOM),
    ],
)
def test_what_a_cell_reads_and_gives(
    recorder: Recorder, cells: list[str], reads: str, gives: str
) -> None:
    record = ran(recorder, *cells)
    own = {name for name in record["gives"] if not name.startswith(("Out[", "f"))}
    assert {*record["reads"]} - MODULES == {*reads.split()} - MODULES
    assert own == {*gives.split()}


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("open('/dev/null').close()", "open"),
        ("import time", "time"),
        ("import datetime; datetime.datetime.now()", "now"),
        ("import random; random.Random()", "Random()"),
        ("import os", "os"),
        ("def f():\n    return open('/dev/null')\nf().close()", "open"),
        ("!true", "get_ipython"),
    ],
)
def test_what_is_outside(recorder: Recorder, cell: str, name: str) -> None:
    assert ran(recorder, cell)["outside"] == name


@pytest.mark.parametrize(
    "cell", ["import json; json.loads('1')", "import numpy as np; np.random.default_rng(1)", "a=1"]
)
def test_what_is_not(recorder: Recorder, cell: str) -> None:
    record = ran(recorder, cell)
    assert (record["outside"], record["never"]) == ("", "")


def test_what_is_done_between_cells_is_nobodys(recorder: Recorder) -> None:
    ran(recorder, "a = 1")
    recorder.shell.user_ns["b"] = [1]
    ran(recorder, "c = 1")
    assert recorder.cells is not None
    assert recorder.cells[-2]["gives"] == ["b"]
    assert recorder.cells[-2]["never"]


def test_what_it_is_too_large_to_look_into_counts_as_changed(recorder: Recorder) -> None:
    assert ran(recorder, "a = [[n] for n in range(9_000)]", "len(a); b = 1")["gives"] == ["a", "b"]


def test_what_there_was_no_time_for_is_looked_at_later(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "LEAST_TIME", -60.0)
    ran(recorder, "a = [[1], [2]]; b = [list('%d' % number) for number in range(500)]")
    assert ran(recorder, "a[0].append(2)")["gives"] == ["a", "b"]
    monkeypatch.setattr(lineage, "LEAST_TIME", 60.0)
    assert ran(recorder, "a[1].append(2)")["gives"] == ["a", "b"]
    assert ran(recorder, "a[0].append(3)")["gives"] == ["a"]


def test_cells_that_it_does_not_see_end_the_record(recorder: Recorder) -> None:
    ran(recorder, "a = [1]")
    recorder.shell.ast_transformers.clear()
    recorder.shell.run_cell("a.append(2)", store_history=True)
    assert recorder.cells is None


def test_a_mistake_in_it_shows_nothing(
    recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(recorder, "class A:\n    @property\n    def __dict__(self): raise ValueError('no')")
    recorder.shell.run_cell("a = A()", store_history=True)
    assert capsys.readouterr().out == ""


def test_an_interrupt_that_comes_as_a_cell_begins_is_the_cells(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    struck = interrupting(recorder, "begin", monkeypatch)
    ended = recorder.shell.run_cell("done = 1\nmore = 2", store_history=True)
    assert struck
    assert isinstance(ended.error_in_exec, KeyboardInterrupt)
    assert "done" not in recorder.shell.user_ns
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "---> 1 done = 1" in shown
    assert "site-packages" not in shown
    monkeypatch.undo()
    assert ran(recorder, "done = 1")["gives"] == ["done"]


def test_an_interrupt_that_comes_after_a_cell_strikes_nothing(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    struck = interrupting(recorder, "record", monkeypatch)
    assert ran(recorder, "done = 1")["gives"] == ["done"]
    assert struck
    assert capsys.readouterr().out == ""


def interrupting(recorder: Recorder, method: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have an interrupt come within a method; gives a list that tells that it has."""
    original, struck = getattr(recorder, method), []

    def strike(*arguments: Any) -> None:
        original(*arguments)
        signal.raise_signal(signal.SIGINT)
        struck.append(1)

    monkeypatch.setattr(recorder, method, strike)
    return struck
