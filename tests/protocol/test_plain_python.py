"""A service that runs plain Python: the helper finds no IPython there, and cells do without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.interpreters import Interpreter
from tests.support.kernels import DIRECT, KernelDriver


@pytest.mark.parametrize("code", ["import IPython", "from IPython.display import display"])
def test_there_is_no_ipython(plain_kernel: KernelDriver, code: str) -> None:
    assert plain_kernel.run(code).reply["ename"] == "ModuleNotFoundError"


@pytest.mark.parametrize("code", ["%time 1", "!ls", "await x", "len?"])
def test_what_is_not_python_is_a_syntax_error(plain_kernel: KernelDriver, code: str) -> None:
    cell = plain_kernel.run(code)
    assert cell.reply["ename"] == cell.only("error")["ename"] == "SyntaxError"


def test_the_helper_leaves_no_name(plain: Interpreter) -> None:
    with plain.kernel(DIRECT) as driver:
        driver.run("mine = 1")
        driver.reply(driver.client.complete("mi"))
        names = driver.run("sorted(dir())").only("execute_result")["data"]["text/plain"]
        assert names == "['__builtins__', '__name__', 'mine']"
        modules = driver.run("import sys; [m for m in sys.modules if 'tci' in m]")
        assert modules.only("execute_result")["data"]["text/plain"] == "[]"


def test_a_session_costs_one_hidden_request(plain: Interpreter) -> None:
    with plain.kernel(DIRECT) as driver:
        driver.run("a_name = 1", user_expressions={"a": "a_name"})
        driver.reply(driver.client.complete("a_na"))
        driver.reply(driver.client.inspect("a_name"))
        driver.run("1", store_history=False)
        driver.run("1/0")
        session_id = plain.session_id(driver)
        assert plain.requests(session_id) == 1 + 4


def test_the_notebook_counts_its_cells_itself(plain: Interpreter) -> None:
    with plain.kernel(DIRECT) as driver:
        assert driver.run("1/0").count == 1
        driver.run("2", store_history=False)
        third = driver.run("3")
        assert third.count == third.only("execute_result")["execution_count"] == 2


def test_an_error_is_read_from_its_text(plain_kernel: KernelDriver) -> None:
    cell = plain_kernel.run(
        "class MyError(Exception): pass\n"
        "try: 1 / 0\n"
        "except Exception as error:\n"
        "    raise MyError('a\\nb') from error"
    )
    assert (cell.reply["ename"], cell.reply["evalue"]) == ("MyError", "a\nb")
    text = "\n".join(cell.reply["traceback"])
    assert "ZeroDivisionError: division by zero" in text
    assert 'File "<cell>", line 4' in text
    assert "plain_kernel.py" not in text
    silent = plain_kernel.run("raise SystemExit(3)")
    assert (silent.reply["ename"], silent.reply["evalue"]) == ("SystemExit", "3")


def test_expressions_are_an_error_each(plain_kernel: KernelDriver) -> None:
    reply = plain_kernel.run("1", user_expressions={"one": "1"}).reply
    assert reply["status"] == "ok"
    assert reply["user_expressions"]["one"]["status"] == "error"
    assert "can't be asked" in reply["user_expressions"]["one"]["evalue"]


def test_completion_and_inspection_come_from_the_notebooks_code(
    plain_kernel: KernelDriver,
) -> None:
    client = plain_kernel.client
    plain_kernel.run("def helpful(a, b=2):\n    'Helps a lot.'\n    return a")
    assert plain_kernel.complete("helpf")["matches"] == ["helpful"]
    assert "Helps a lot." in plain_kernel.inspect("helpful(")["data"]["text/plain"]
    unknown = plain_kernel.reply(plain_kernel.client.inspect("no_such_name"))["content"]
    assert unknown["found"] is False
    whole = plain_kernel.reply(client.is_complete("for i in x:"))["content"]
    assert whole["status"] == "incomplete"
    history = plain_kernel.reply(client.history(hist_access_type="tail", n=1))["content"]
    assert history["history"][0][2].startswith("def helpful")


def test_files_arrive_wherever_the_code_has_gone(plain: Interpreter, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "data.txt").write_text("data")
    with plain.kernel(DIRECT) as driver:
        driver.run(f"import os; os.chdir({str(tmp_path / 'there')!r})")
        assert driver.run(f"%tci upload {tmp_path}/data.txt").reply["status"] == "ok"
        assert driver.run("print(open('data.txt').read())").text() == "data\n"
        assert driver.run("print(os.listdir())").text() == "['data.txt']\n"
        listed = driver.run("%tci ls").only("display_data")["data"]["text/plain"]
        assert "data.txt" in listed
        assert driver.run(f"%tci download data.txt --to {tmp_path}/back").reply["status"] == "ok"
        assert (tmp_path / "back").read_text() == "data"


def test_input_has_nobody_to_ask(plain_kernel: KernelDriver) -> None:
    cell = plain_kernel.run("input('name? ')", allow_stdin=True)
    assert cell.reply["ename"] == "EOFError"
    assert cell.text() == "name? "
