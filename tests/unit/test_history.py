"""The history, in real database files, against what ipykernel answers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipykernel.ipkernel import IPythonKernel
from IPython.core.history import HistoryManager
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShellABC

from tci_kernel.kernel import history as module
from tci_kernel.kernel.history import CellHistory

SESSIONS = [
    ["a = 1", "a", "%time a", "b = 'ü'\nb", "a"],
    ["a = 1", "import math", "math.pi", "!ls"],
    ["a", "a + 1", "c = 3\n"],
]
OUTPUTS = {2: "1", 5: "1"}

REQUESTS: dict[str, list[dict[str, Any]]] = {
    "tail": [{"n": 3}, {}, {"n": 0}, {"n": 500, "unique": True}],
    "range": [
        *({}, {"session": 77}, {"start": 1, "stop": 3}, {"start": -2}, {"start": 1, "stop": -1}),
        *({"session": -1, "start": 2, "stop": 4}, {"session": 1, "start": 1, "stop": None}),
    ],
    "search": [
        *({"pattern": "a*"}, {"pattern": "a*", "n": 2}, {"pattern": "a*", "unique": True}),
        *({"pattern": "*", "n": 3, "unique": True}, {"pattern": "*ü*"}, {"pattern": None}),
    ],
    "unheard of": [{}],
}


@InteractiveShellABC.register
class _Shell:
    """What IPython's history uses of a shell."""

    def push(self, names: dict[str, str], interactive: bool) -> None:
        pass


def ipykernel_answer(manager: HistoryManager, content: dict[str, Any]) -> dict[str, Any]:
    """The reply of ipykernel's own method."""
    kernel: Any = SimpleNamespace(shell=SimpleNamespace(history_manager=manager))
    answer: dict[str, Any] = IPythonKernel.do_history(kernel, **content)  # type: ignore[no-untyped-call]
    return answer


def fill(path: Path) -> CellHistory:
    """The history of three kernels, one after another; the last one lives on."""
    for cells in SESSIONS:
        history = CellHistory(path)
        for number, code in enumerate(cells, start=1):
            history.store(number, code, OUTPUTS.get(number))
        if cells is not SESSIONS[-1]:
            history.close()
    return history


def fill_ipython(path: Path) -> HistoryManager:
    """The same as kept by IPython's own manager."""
    for cells in SESSIONS:
        manager = HistoryManager(shell=_Shell(), hist_file=path, db_log_output=True)  # type: ignore[arg-type]
        for number, code in enumerate(cells, start=1):
            parsed = TransformerManager().transform_cell(code)  # type: ignore[no-untyped-call]
            manager.store_inputs(number, parsed, code)
            if number in OUTPUTS:
                manager.output_hist_reprs[number] = OUTPUTS[number]
                manager.store_output(number)
        if cells is not SESSIONS[-1]:
            manager.end_session()
            manager.close()
    return manager


def process(path: Path, code: str, first: str = "") -> subprocess.Popen[bytes]:
    """A process that runs code with a history, and closes it."""
    begin = "from pathlib import Path; from tci_kernel.kernel.history import CellHistory"
    program = [first, begin, f"history = CellHistory(Path({str(path)!r}))", code, "history.close()"]
    return subprocess.Popen([sys.executable, "-c", "\n".join(program)])


@pytest.fixture
def history(tmp_path: Path) -> Iterator[CellHistory]:
    with closing(CellHistory(tmp_path / "kernel" / "history.sqlite")) as history:
        yield history


def tail(history: CellHistory, **content: Any) -> list[Any]:
    entries: list[Any] = history.request({"hist_access_type": "tail", **content})["history"]
    return entries


def texts(history: CellHistory) -> list[str]:
    return [text for _session, _number, text in tail(history)]


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize(("raw", "output"), [(True, False), (True, True), (False, True)])
def test_answers_are_those_of_ipykernel(tmp_path: Path, kind: str, raw: bool, output: bool) -> None:
    with (
        closing(fill(tmp_path / "ours.sqlite")) as ours,
        closing(fill_ipython(tmp_path / "theirs.sqlite")) as theirs,
    ):
        for chosen in REQUESTS[kind]:
            content = {**chosen, "hist_access_type": kind, "raw": raw, "output": output}
            expected = ipykernel_answer(theirs, content)
            if kind == "range" and content.get("session"):
                # IPython calls the session that is running 0, even if it was asked by number.
                rows = expected["history"]
                expected["history"] = [(row[0] or content["session"], *row[1:]) for row in rows]
            assert ours.request(content) == expected, content


def test_cells_survive_a_restart(tmp_path: Path) -> None:
    with closing(fill(tmp_path / "history.sqlite")) as history:
        assert tail(history, n=4)[:3] == [(2, 4, "!ls"), (3, 1, "a"), (3, 2, "a + 1")]
        assert tail(history, n=2, output=True) == [(3, 2, ("a + 1", "1")), (3, 3, ("c = 3", None))]


def test_a_killed_kernel_has_saved_its_cells(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    process(path, "history.store(1, 'kept')\nhistory.save()\nimport os; os._exit(0)").wait()
    with closing(CellHistory(path)) as history:
        assert texts(history) == ["kept"]


def test_two_kernels_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with closing(CellHistory(path)) as one, closing(CellHistory(path)) as other:
        for number in range(1, 20):
            for history, name in ((one, "one"), (other, "other")):
                history.store(number, f"{name} {number}")
                history.save()
        assert tail(one, n=2)[-1] == (1, 19, "one 19")
        assert tail(other, n=2)[-1] == (2, 19, "other 19")
        assert len(tail(one, n=100)) == 38


def test_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    code = """
import time
for number in range(1, 21):
    history.store(number, "x")
    history.save()
    time.sleep(0.01)  # still faster than any user
"""
    processes = [process(path, code) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    with closing(CellHistory(path)) as history:
        assert len(tail(history, n=500)) == 60


def test_numbers_hold_where_cells_are_missing(history: CellHistory) -> None:
    for number, code in [(1, "a"), (2, "exit"), (3, "  "), (5, "b")]:
        history.store(number, code)
    reply = history.request({"hist_access_type": "range", "start": 5})
    assert reply["history"] == [(0, 5, "b")]
    assert texts(history) == ["a", "b"]


def test_a_number_is_used_once(history: CellHistory, capsys: pytest.CaptureFixture[str]) -> None:
    history.store(1, "first", "1")
    history.store(1, "again", "2")
    assert tail(history, output=True) == [(1, 1, ("first", "1"))]
    assert capsys.readouterr() == ("", "")


def test_the_default_place_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    with closing(CellHistory()) as history:
        assert list(tmp_path.iterdir()) == []  # nothing is opened before its use
        history.store(1, "a")
        history.save()
    assert (tmp_path / "jupyter" / "tci_kernel" / "history.sqlite").is_file()
    assert (tmp_path / "jupyter" / "tci_kernel").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "ipython").exists()


def test_nothing_is_left_after_closing(history: CellHistory) -> None:
    threads, files = threading.active_count(), len([*Path("/dev/fd").iterdir()])
    history.store(1, "a")
    history.save()
    assert threading.active_count() == threads
    history.close()
    history.close()
    assert len([*Path("/dev/fd").iterdir()]) == files
    history.store(2, "late")
    assert texts(history) == []


def test_a_corrupt_file_makes_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"no database at all " * 100)
    for expected in (["a"], ["a", "a"]):
        with closing(CellHistory(path)) as history:
            history.store(1, "a")
            assert texts(history) == expected
    assert (tmp_path / "history-corrupt.sqlite").read_bytes().startswith(b"no database")
    assert caplog.text.count("unreadable") == 1


# These fail for every user, root included: a directory, and a file taken for one.
@pytest.mark.parametrize("place", ["directory", "file/history.sqlite"])
def test_an_unwritable_place_leaves_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with closing(CellHistory(tmp_path / place)) as history:
        history.store(1, "a_secret = 1")
        assert texts(history) == ["a_secret = 1"]
    assert "kept in memory" in caplog.text
    assert "a_secret" not in caplog.text


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_locked_file_leaves_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lock: str,
    begun: bool,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    path = tmp_path / "history.sqlite"
    with closing(CellHistory(path)) as history:
        if begun:
            history.store(1, "before", "result")
            history.save()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(f"BEGIN {lock}")
            history.store(3, "a_secret = 1")
            assert texts(history) == [*["before"] * begun, "a_secret = 1"]
            assert (tail(history, output=True)[0][2][1] == "result") is begun
    assert list(tmp_path.iterdir()) == [path], "the other kernel's file was moved"
    assert "kept in memory" in caplog.text
    assert "a_secret" not in caplog.text


def test_a_file_that_breaks_later_costs_no_reply(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with closing(CellHistory(path)) as history:
        history.store(1, "a")
        history.save()
        with path.open("r+b") as file:
            file.write(b"\xff" * path.stat().st_size)
        reply = history.request({"hist_access_type": "search", "pattern": "*"})
        assert reply == {"status": "ok", "history": [(1, 1, "a")]}
        history.store(2, "b")
        assert texts(history) == ["a", "b"]


def test_python_without_sqlite_costs_nothing(tmp_path: Path) -> None:
    code = """
history.store(1, "a")
assert history.request({"hist_access_type": "range", "start": 1})["history"] == [(0, 1, "a")]
assert history.request({"hist_access_type": "tail"})["history"] == []
"""
    first = "import sys; sys.modules['sqlite3'] = None"
    assert process(tmp_path / "history.sqlite", code, first).wait() == 0


def test_long_results_are_cut(history: CellHistory) -> None:
    history.store(1, "x", "x" * 1_000_000)
    assert len(tail(history, output=True)[0][2][1]) == 100_000


TEXTS = st.text(st.characters(exclude_categories=[]))
ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.just([]))
KEYS = ["output", "raw", "session", "start", "stop", "n", "pattern", "unique"]


@settings(deadline=None, max_examples=50)
@given(
    codes=st.lists(TEXTS, max_size=3),
    kind=st.sampled_from(["tail", "range", "search"]),
    content=st.dictionaries(st.sampled_from(KEYS), ANYTHING),
)
def test_every_request_is_answered(codes: list[str], kind: str, content: dict[str, Any]) -> None:
    history = CellHistory(Path("/dev/null/history.sqlite"))  # memory, for speed
    for number, code in enumerate(codes, start=1):
        history.store(number, code)
    reply = history.request({**content, "hist_access_type": kind})
    assert reply["status"] == "ok"
    history.close()
