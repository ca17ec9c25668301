"""`--push` and `--pull`, and the lines for that: the notebook's own variables."""

from __future__ import annotations

from tests.extension.conftest import done
from tests.support.kernels import KernelDriver, shown

VALUES = "{'a': [1, 2**100, (None, float('inf'))], (1, 'k'): {b'x', 1j}, 's': 'tür\\n' * 9}"


def test_values_go_there_and_come_back(each: KernelDriver) -> None:
    done(each, f"values = {VALUES}; other = 1")
    cell = each.run(
        "%%tci --push values --push other --pull back --pull other\n"
        f"print(values == {VALUES}, other)\nback = [values, other]; other = 'there'"
    )

    pushed, pulled = (one["data"]["text/plain"] for kind, one in cell.outputs if "data" in one)
    assert pushed.startswith("Pushed 2 variables (")
    assert pulled.startswith("Pulled 2 variables (")
    assert cell.text() == "True 1\n"
    assert each.run("print(back == [values, 1], other)").text() == "True there\n"


def test_arrays_and_tables_go_there_and_come_back(live: KernelDriver) -> None:
    done(
        live,
        "import numpy as np, pandas as pd\n"
        "array = np.arange(6, dtype='>i2').reshape(2, 3)[:, ::2]\n"
        "table = pd.DataFrame({'v': [1, 2]}, index=pd.Index(['r', 's'], name='key'))",
    )
    live.run(
        "%%tci --push array --push table --pull array2 --pull table2\n"
        "array2, table2 = array * 2, table"
    )

    same = live.run(
        "pd.testing.assert_frame_equal(table, table2); print((array * 2 == array2).all())"
    )
    assert same.text() == "True\n"


def test_lines_do_the_same(each: KernelDriver) -> None:
    done(each, "one, two = 1, 2")

    assert shown(each.run("%tci push one two")).startswith("Pushed 2 variables (")
    done(each, "%%tci\nthree = one + two")
    assert shown(each.run("%tci pull three")).startswith("Pulled three (")
    assert each.run("three").only("execute_result")["data"] == {"text/plain": "3"}


def test_names_that_are_not_there_are_said_and_nothing_changes(each: KernelDriver) -> None:
    done(each, "known = 1")
    done(each, "%%tci\nknown_there = 1; ran = 0")

    missing = each.run("%%tci --push knwon\nran = 1")
    assert missing.reply["ename"] == "VariableError"
    assert "Did you mean known?" in missing.only("error")["evalue"]
    assert each.run("%%tci --pull knwon_there\nprint('ran')").reply["ename"] == "VariableError"
    assert each.run("%%tci --pull 1st\nran = 1").reply["ename"] == "UsageError"
    assert each.run("%%tci\nprint(ran)").text() == "0\n"


def test_what_can_not_be_copied_is_refused_with_the_reason(live: KernelDriver) -> None:
    done(live, "handle = open('/dev/null')")

    refused = live.run("%%tci --push handle\n1").only("error")["evalue"]

    assert "handle is of type _io.TextIOWrapper" in refused
    assert "Nothing was sent." in refused


def test_nothing_is_pulled_after_an_error(live: KernelDriver) -> None:
    done(live, "half = 'as it was'")
    live.run("%%tci --pull half\nhalf = 1\n1/0")

    assert live.run("print(half)").text() == "as it was\n"
