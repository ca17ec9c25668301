"""`%tci push` and `pull`: variables on their way between a real kernel and a real session."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tci_kernel.remote.calls import BEGIN, END
from tests.support.faulty import SESSION, Action, FaultyServer, answer, faulty_server, http, listing
from tests.support.kernels import BARE, Answer, KernelDriver, kernel
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

VALUES = "{'a': [1, 2**100, (None, float('inf'))], (1, 'k'): {b'x', 1j}, 's': 'tür\\n\"' * 999}"


def test_values_go_there_and_come_back(local_kernel: KernelDriver) -> None:
    local_kernel.run(f"%%local\nvalues = {VALUES}")
    pushed = local_kernel.run("%tci push values")
    text = pushed.only("display_data")["data"]["text/plain"]
    assert text.startswith("Pushed values (")
    assert "dict of 3" in text
    assert local_kernel.run(f"print(values == {VALUES})").text() == "True\n"
    local_kernel.run("values['s'] = frozenset([1.5]); other = b'new'")
    pulled = local_kernel.run("%tci pull values other values\n%%local\nvalues['s'], other")
    assert pulled.outputs[0][1]["data"]["text/plain"].startswith("Pulled 2 variables (")
    assert pulled.only("execute_result")["data"] == {
        "text/plain": "(frozenset({1.5}), b'new')",
    }
    assert "text/html" in pulled.only("display_data")["data"]


def test_arrays_and_tables_go_there_and_come_back(local_kernel: KernelDriver) -> None:
    local_kernel.run(
        "%%local\nimport numpy as np, pandas as pd, polars as pl\n"
        "array = np.arange(6, dtype='>i2').reshape(2, 3)[:, ::2]\n"
        "table = pd.DataFrame({'v': [1, 2]}, index=pd.Index(['r', 's'], name='key'))\n"
        "column = table['v']\nother = pl.DataFrame({'d': [[1], None]})"
    )
    kinds = local_kernel.run("%tci push array table column other").only("display_data")
    for kind in ("numpy ndarray, >i2, 2 x 2", "DataFrame, 2 x 1", "Series, 2", "polars DataFrame"):
        assert kind in kinds["data"]["text/plain"]
    local_kernel.run("array2, table2, column2, other2 = array, table, column, other")
    same = local_kernel.run(
        "%tci pull array2 table2 column2 other2\n%%local\n"
        "pd.testing.assert_frame_equal(table, table2)\n"
        "pd.testing.assert_series_equal(column, column2)\n"
        "print((array == array2).all(), array2.dtype == array.dtype, other.equals(other2))"
    )
    assert same.text() == "True True True\n"


def test_large_arrays_travel_in_parts_and_leave_nothing_behind(local_kernel: KernelDriver) -> None:
    local_kernel.run(
        "%%local\nimport hashlib, numpy as np\n"
        "large = np.random.default_rng(1).integers(0, 255, 100_000_000, dtype='u1')\n"
        "digest = hashlib.sha256(large).hexdigest()\n"
    )
    assert local_kernel.run("%tci push large digest").reply["status"] == "ok"
    cell = local_kernel.run(
        "import glob, hashlib, os, tempfile\nprint(hashlib.sha256(large).hexdigest() == digest)\n"
        "print(os.listdir(), glob.glob(tempfile.gettempdir() + '/tci-variables-*'))"
    )
    assert cell.text() == "True\n[] []\n"
    local_kernel.run("%tci pull large")
    assert local_kernel.run(
        "%%local\nprint(hashlib.sha256(large).hexdigest() == digest)"
    ).text() == ("True\n")
    left = local_kernel.run("print(glob.glob(tempfile.gettempdir() + '/tci-variables-*'))")
    assert left.text() == "[]\n"


def test_they_go_where_the_code_runs_wherever_it_has_gone(
    each_kernel: KernelDriver, tmp_path: Path
) -> None:
    before = each_kernel.run("import os; os.getcwd()").only("execute_result")["data"]["text/plain"]
    (tmp_path / "gone").mkdir()
    each_kernel.run(f"os.chdir({str(tmp_path / 'gone')!r}); os.rmdir(os.getcwd()); back = [1]")
    each_kernel.run("%%local\nthere = {'a': b'x'}")
    assert each_kernel.run("%tci push there\n%tci pull back").reply["status"] == "ok"
    assert each_kernel.run("print(there)").text() == "{'a': b'x'}\n"
    assert each_kernel.run("%%local\nprint(back)").text() == "[1]\n"
    assert each_kernel.run(f"os.chdir({before}); print(os.listdir())").text() == "[]\n"


def test_they_leave_no_trace_in_the_session(local_kernel: KernelDriver) -> None:
    local_kernel.run("mine = 1; before = set(dir())")
    count = local_kernel.run("%%local\nhere = 1").count
    local_kernel.run("%tci push here\n%tci pull mine")
    cell = local_kernel.run("print(sorted(set(dir()) - before), mine)")
    assert cell.count == count + 2
    names = cell.text().partition("]")[0]
    assert "'here'" in names
    assert all(name.strip(" []'").startswith(("_i", "before", "here")) for name in names.split(","))


def test_what_the_session_can_not_send_is_said_there(local_kernel: KernelDriver) -> None:
    local_kernel.run("table = 1; handle = open('/dev/null'); deep = {'a': [handle]}")
    for line, reason in {
        "pull tabel": "no variable tabel. Did you mean table?",
        "pull table handle": "handle is of type _io.TextIOWrapper",
        "pull deep": "deep['a'][0] is of type _io.TextIOWrapper",
    }.items():
        cell = local_kernel.run(f"%tci {line}")
        assert cell.reply["ename"] == "VariableError"
        assert cell.reply["evalue"].startswith("In the session: ")
        assert reason in cell.reply["evalue"]


def test_a_package_that_is_missing_is_named_with_its_cure(local_kernel: KernelDriver) -> None:
    local_kernel.run(
        "%%local\nimport sys, pandas, polars\nt, p = pandas.DataFrame(), polars.DataFrame()"
    )
    local_kernel.run("import sys, polars; sys.modules['pyarrow'] = None; q = polars.DataFrame()")
    local_kernel.run("%%local\nt['day'] = pandas.PeriodIndex(['2020'], freq='D')")
    cell = local_kernel.run("%tci push t")
    assert cell.reply["ename"] == "VariableError"
    assert "%pip install --upgrade pyarrow" in cell.reply["evalue"]
    local_kernel.run("del sys.modules['pyarrow']")
    local_kernel.run("%%local\nkept = sys.modules['polars']; sys.modules['polars'] = None")
    for line in ("push p", "pull q"):
        cell = local_kernel.run(f"%tci {line}")
        assert cell.reply["ename"] == "VariableError"
        assert "-m pip install --upgrade polars" in " ".join(cell.reply["evalue"].split())
    local_kernel.run("%%local\nsys.modules['polars'] = kept")
    assert local_kernel.run("%tci push p").reply["status"] == "ok"


TABLE = """import pandas as pd
table = pd.DataFrame({
    "count": [1, 2, 3], "share": [0.1, float("nan"), float("-inf")], "is": [True, False, True],
    "name": ["x", None, "ž"], "any": pd.Series([b"a", None, b""], dtype=object),
    "kind": pd.Categorical(["b", None, "a"], ["b", "a", "c"], ordered=True),
    "rank": pd.array([1, None, 3], dtype="Int64"),
    "text": pd.array(["a", None, ""], dtype="string"),
    "at": pd.to_datetime(["2020-03-29", None, "2021-01-01"]).tz_localize("Europe/Prague"),
    "took": pd.to_timedelta([1, None, 3], unit="s"),
})
moments = pd.date_range("2020-01-01", periods=3)
table.index = pd.MultiIndex.from_product([["k"], moments], names=["a", None])
column, days = table["at"], pd.DataFrame({"day": pd.PeriodIndex(["2020-01-01"], freq="D")})
"""


@pytest.mark.parametrize("lacks", ["here", "there", "both"])
def test_tables_go_there_and_come_back_without_pyarrow(
    server: ServerProcess, tmp_path: Path, lacks: str
) -> None:
    barred = "import sys; sys.modules['pyarrow'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(barred)
    where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    if lacks != "there":
        where["PYTHONPATH"] = str(tmp_path)
    with kernel("tci", **where) as driver:
        driver.run(TABLE if lacks == "here" else barred + TABLE)
        pulled = driver.run("%tci pull table column")
        assert pulled.reply["status"] == "ok", pulled.reply
        same = f"%%local\nhere, there = table, column\n{TABLE}"
        compared = driver.run(
            f"{same}pd.testing.assert_frame_equal(here, table, check_freq=False)\n"
            "pd.testing.assert_series_equal(there, column, check_freq=False)"
        )
        assert compared.reply["status"] == "ok", compared.reply
        driver.run("before = table; del table, column")
        pushed = driver.run("%tci push table column").reply
        assert pushed["status"] == "ok", pushed["evalue"]
        compared = driver.run(
            "pd.testing.assert_frame_equal(before, table, check_freq=False)\n"
            "pd.testing.assert_series_equal(before['at'], column, check_freq=False)"
        )
        assert compared.reply["status"] == "ok", compared.reply
        refused = driver.run("%tci pull days").reply
        assert refused["ename"] == "VariableError"
        assert "pip install --upgrade pyarrow" in " ".join(refused["evalue"].split())


@pytest.fixture
def scripted() -> Iterator[tuple[KernelDriver, FaultyServer]]:
    """A kernel in a session of a service that answers by script."""
    with faulty_server([answer()]) as service:
        where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": "key"}
        with kernel("tci", BARE, f"--session={SESSION}", **where) as driver:
            yield driver, service


def test_nothing_is_sent_of_what_is_refused(scripted: tuple[KernelDriver, FaultyServer]) -> None:
    driver, service = scripted
    driver.run("%%local\ngood = 1\ndef bad(): pass")
    for line, reason in {
        "push good bad": "bad is of type function",
        "push goods": "Did you mean good?",
        "push 1x": "can't be a variable's name",
        "push good,": "can't be a variable's name",
        "pull class": "can't be a variable's name",
        "push a.b": "can't be a variable's name",
        "push": "Missing argument",
        "pull --all": "No such option",
    }.items():
        cell = driver.run(f"%tci {line}")
        assert cell.reply["status"] == "error", line
        assert reason in cell.reply["evalue"]
        assert [kind for kind, _ in cell.outputs] == ["error"]
    assert service.requests == []


def test_without_a_session_there_is_nothing_to_pull() -> None:
    with faulty_server([answer()]) as service:
        where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": "key"}
        with kernel("tci", **where) as driver:
            assert "no session yet" in driver.run("%tci pull x").reply["evalue"]
            assert service.requests == []
    with kernel("tci") as driver:
        driver.run("%%local\nx = 1")
        assert driver.run("%tci push x").reply["ename"] == "MissingKey"


def said(value: Any) -> Action:
    """The answer of a session to a call."""
    return answer(("stdout", BEGIN + json.dumps(value) + END))


def piece(data: bytes) -> list[str]:
    return [base64.b64encode(data).decode(), hashlib.sha256(data).hexdigest()]


def sent(data: bytes, size: int | None = None) -> Action:
    """The answer of a session that sends one variable."""
    sizes = [len(data) if size is None else size]
    return said({"value": {"sizes": sizes, "piece": piece(data)}})


PICKLED = b"cposix\nsystem\n(S'touch /tmp/tci-kernel-pwned'\ntR."

LIES = {
    "nothing": answer(),
    "noise": answer(("stdout", "hello")),
    "no object": said({"value": 7}),
    "no sizes": said({"value": {"piece": piece(b"x")}}),
    "sizes of nothing": said({"value": {"sizes": [0], "piece": piece(b"")}}),
    "too many sizes": said({"value": {"sizes": [1, 1], "piece": piece(b"xx")}}),
    "no piece": said({"value": {"sizes": [1]}}),
    "no base64": said({"value": {"sizes": [1], "piece": ["ä", ""]}}),
    "another hash": said({"value": {"sizes": [1], "piece": ["eA==", "0" * 64]}}),
    "more than announced": sent(b'{"value": 1, "blobs": []}\n', size=3),
    "less than announced": sent(b'{"value": 1, "blobs": []}\n', size=30),
    "pickle": sent(PICKLED),
    "pickle as an array": sent(
        b'{"value": {"array": 0}, "blobs": [%d]}\n' % len(PICKLED) + PICKLED
    ),
    "code": sent(b'{"value": {"eval": "1/0"}, "blobs": []}\n'),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_session_that_lies_is_an_error_and_sets_nothing(
    scripted: tuple[KernelDriver, FaultyServer], lie: str
) -> None:
    driver, service = scripted
    service.play(LIES[lie])
    cell = driver.run("%tci pull x")
    assert cell.reply["ename"] in ("InvalidAnswer", "TransferFailed")
    assert driver.run("%%local\nx").reply["ename"] == "NameError"


def test_a_transfer_that_breaks_off_cleans_up_and_says_so(
    scripted: tuple[KernelDriver, FaultyServer],
) -> None:
    driver, service = scripted
    service.listed = listing(SESSION)
    driver.run("%%local\nx = b'x' * 9_000_000")
    service.play(said({"value": None}), http(500, ""), said({"value": None}))
    cell = driver.run("%tci push x")
    assert cell.reply["ename"] == "ServiceError"
    sizes = [len(request.json().get("files", [])) for request in service.executions]
    assert sizes == [1, 1, 0]
    assert "discard" in service.executions[-1].json()["code"]


def test_an_interrupt_ends_a_transfer_and_cleans_up(
    scripted: tuple[KernelDriver, FaultyServer],
) -> None:
    driver, service = scripted
    driver.run("%%local\nx = b'x' * 9_000_000")
    asked, go = threading.Event(), threading.Event()

    def wait(connection: socket.socket) -> None:
        asked.set()
        go.wait(PATIENCE)

    service.play(said({"value": None}), wait, said({"value": None}))
    running = driver.client.execute("%tci push x")
    assert asked.wait(PATIENCE)
    driver.interrupt()
    assert driver.finish(running).reply["ename"] == "KeyboardInterrupt"
    go.set()
    assert "discard" in service.executions[-1].json()["code"]


def outputs_of(cell: Answer) -> list[str]:
    return [kind for kind, _ in cell.outputs]


def test_the_rest_of_the_cell_runs_after_a_push_and_not_after_its_failure(
    local_kernel: KernelDriver,
) -> None:
    local_kernel.run("%%local\nvalue = 3")
    assert outputs_of(local_kernel.run("%tci push value\nprint(value)")) == [
        "display_data",
        "stream",
    ]
    assert outputs_of(local_kernel.run("%tci push no_such\nprint(value)")) == ["error"]
