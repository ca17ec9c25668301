"""What the helper in the session brings back, and that it leaves no trace there."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.faulty import SESSION, answer, faulty_server, hang_up, http
from tests.support.interpreters import Interpreter
from tests.support.kernels import BARE, DIRECT, Answer, KernelDriver, kernel
from tests.support.waiting import PATIENCE


def test_an_error_comes_in_its_parts(helped: KernelDriver) -> None:
    cell = helped.run("x = = 1")
    assert cell.reply["ename"] == "SyntaxError"
    assert re.fullmatch(r"invalid syntax \(.*, line 1\)", cell.reply["evalue"])
    assert cell.only("error")["traceback"] == cell.reply["traceback"]


def numbers(interpreter: Interpreter, failed: Answer) -> list[str]:
    """The numbers of cells that a traceback names. IPython 7 names files in their place."""
    text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(failed.reply["traceback"]))
    if interpreter.name == "ipython-7":
        assert "/ipykernel_" in text
        return [str(failed.count)]
    return re.findall(r"In\[(\d+)\]", text)


def test_tracebacks_and_results_have_the_notebooks_numbers(
    interpreter: Interpreter, helped: KernelDriver
) -> None:
    helped.run("hidden = 1", store_history=False)
    helped.reply(helped.client.complete("hid"))
    cell = helped.run("1/0")
    assert numbers(interpreter, cell) == [str(cell.count)]
    value = helped.run("41 + 1")
    assert helped.run(f"_{value.count}, Out[{value.count}]").only("execute_result")["data"] == {
        "text/plain": "(42, 42)"
    }


def test_metadata_comes_with_displays_and_results(helped: KernelDriver) -> None:
    helped.run("from IPython.display import Image, HTML, display; png = b'\\x89PNG\\r\\n\\x1a\\n'")
    shown = helped.run("display(Image(data=png, width=20)); HTML('<b>', metadata={'isolated': 1})")
    assert shown.only("display_data")["metadata"] == {"image/png": {"width": 20}}
    assert shown.only("execute_result")["metadata"] == {"text/html": {"isolated": 1}}


def test_a_display_is_updated_from_a_later_cell(helped: KernelDriver) -> None:
    shown = helped.run("handle = display('first', display_id=True)").only("display_data")
    updated = helped.run("handle.update('second')").only("update_display_data")
    assert updated["transient"] == shown["transient"]
    assert updated["data"] == {"text/plain": "'second'"}


def test_output_is_cleared_in_its_place(helped: KernelDriver) -> None:
    cell = helped.run(
        "from IPython.display import clear_output\nprint('a')\nclear_output(wait=True)\nprint('b')"
    )
    assert [kind for kind, _ in cell.outputs] == ["stream", "clear_output", "stream"]
    assert cell.only("clear_output") == {"wait": True}


def test_payloads_come_with_the_reply(helped: KernelDriver) -> None:
    (page,) = helped.run("len?").reply["payload"]
    assert page["source"] == "page"
    assert "Return the number of items" in page["data"]["text/plain"]
    (text,) = helped.run("get_ipython().set_next_input('next')").reply["payload"]
    assert (text["source"], text["text"]) == ("set_next_input", "next")
    assert helped.run("1").reply["payload"] == []


def test_an_error_that_ipython_prints_is_one_in_the_reply_alone(helped: KernelDriver) -> None:
    cell = helped.run("%no_such_magic")
    assert cell.reply["status"] == "error"
    assert cell.reply["ename"] == "UsageError"
    assert [kind for kind, _ in cell.outputs] == ["stream"]


def test_errors_that_are_shown_and_survived_are_no_failure(helped: KernelDriver) -> None:
    shown = "try: 1/0\nexcept ZeroDivisionError: get_ipython().showtraceback()\n"
    cell = helped.run(f"{shown}{shown}print('on')", user_expressions={"one": "1"})
    assert cell.reply["status"] == "ok"
    assert cell.reply["user_expressions"]["one"]["data"] == {"text/plain": "1"}
    assert [kind for kind, _ in cell.outputs] == ["error", "error", "stream"]
    assert {content.get("ename") for _, content in cell.outputs[:2]} == {"ZeroDivisionError"}
    assert helped.run("%%capture\n1/0").reply["status"] == "ok"
    assert helped.run(f"{shown}no_such_name").reply["status"] == "error"


def test_input_fails_at_once_in_words_that_a_reader_understands(helped: KernelDriver) -> None:
    for code in ("input('name? ')", "from getpass import getpass; getpass()"):
        cell = helped.run(code, allow_stdin=True)
        assert cell.reply["ename"] == "StdinNotImplementedError"
        assert "Put the value into the cell" in cell.reply["evalue"]


def test_where_input_can_not_ask_the_traceback_ends_in_the_users_code(
    helped: KernelDriver,
) -> None:
    for code in (
        "input('name? ')",
        "from getpass import getpass\ngetpass()",
        "def ask():\n    return input('deep? ')\nask()",
    ):
        cell = helped.run(code)
        text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(cell.reply["traceback"]))
        assert cell.reply["ename"] == "StdinNotImplementedError"
        assert code.splitlines()[-1] in text
        for trace in ("_tci_kernel", "refuse", "_args", "raise StdinNotImplementedError"):
            assert trace not in text


def test_user_expressions_are_evaluated_after_a_cell_that_succeeds(
    helped: KernelDriver,
) -> None:
    asked = {"sum": "1 + 1", "missing": "no_such_name"}
    values = helped.run("1", user_expressions=asked).reply["user_expressions"]
    assert values["sum"] == {"status": "ok", "data": {"text/plain": "2"}, "metadata": {}}
    assert (values["missing"]["status"], values["missing"]["ename"]) == ("error", "NameError")
    assert helped.run("1/0", user_expressions=asked).reply["user_expressions"] == {}


def test_the_session_looks_as_if_nobody_had_been_there(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = (
        "print([n for n in dir() if not n.startswith('__')])\n"
        "print(In, Out, repr(_), repr(_i), get_ipython().history_manager.input_hist_raw[:-1])\n"
        "print([row for row in get_ipython().history_manager.get_range()][:-1])"
    )
    with interpreter.kernel(DIRECT) as driver:
        driver.client.complete("pri")
        seen = driver.run(report).text()
    monkeypatch.setenv("JUPYTER_PATH", interpreter.jupyter_path)
    with kernel(interpreter.name, DIRECT) as driver:
        assert driver.run(report).text() == seen


def test_it_survives_a_reset_of_the_namespace(interpreter: Interpreter) -> None:
    with interpreter.kernel(DIRECT) as driver:
        driver.run("x = 1")
        driver.run("%reset -f")
        assert driver.run("x").reply["ename"] == "NameError"
        handle = "from IPython.display import display; h = display(1, display_id='i'); h.update(2)"
        kinds = [kind for kind, _ in driver.run(handle).outputs]
        assert kinds == ["display_data", "update_display_data"]


def test_a_session_costs_one_hidden_request_and_can_be_joined(interpreter: Interpreter) -> None:
    with interpreter.kernel(DIRECT) as first:
        assert first.run("x = 1; x").only("execute_result")["execution_count"] == 1
        assert first.run("x").count == 2
        session_id = interpreter.session_id(first)
        assert interpreter.requests(session_id) == 1 + 3
        with interpreter.kernel(DIRECT, f"--session={session_id}") as second:
            # The number is the second notebook's, in the traceback and in the history as well.
            failed = second.run("x / 0")
            assert failed.count == 1
            assert numbers(interpreter, failed) == ["1"]
            assert second.run("print(_i1, _i2)").text() == "x / 0 print(_i1, _i2)\n"


def test_who_uses_the_session_live_gets_its_messages_as_they_are(
    interpreter: Interpreter,
) -> None:
    cells = {
        "x": ["execute_result"],
        "print(x)": ["stream"],
        "display(Image(data=png, width=20), display_id='i');": ["display_data"],
        "update_display('new', display_id='i')": ["update_display_data"],
        "print('a'); clear_output()": ["stream", "clear_output"],
        "%misspelt": ["stream"],
        "1/0": ["error"],
    }
    with interpreter.kernel(DIRECT) as direct:
        direct.run("from IPython.display import *\nx, png = 1, b'\\x89PNG\\r\\n\\x1a\\n'")
        session_id = interpreter.session_id(direct)
        with interpreter.kernel(f"--session={session_id}") as live:
            for code, kinds in cells.items():
                ran = live.run(code)
                assert [kind for kind, _ in ran.outputs] == kinds, code
                assert "tci-kernel" not in str(ran.outputs)
                if kinds == ["display_data"]:
                    assert ran.only("display_data")["metadata"] == {"image/png": {"width": 20}}
            asked = live.client.execute("print(input('name? '))", allow_stdin=True)
            assert live.client.get_stdin_msg(timeout=PATIENCE)["content"]["prompt"] == "name? "
            live.client.input("somebody")
            assert live.finish(asked).text() == "somebody\n"
        cleared = direct.run("print('a'); clear_output()")  # as before
        assert [kind for kind, _ in cleared.outputs] == ["stream", "clear_output"]


def test_what_completes_is_loaded_beside_no_cell_where_one_thread_parses(
    interpreter: Interpreter,
) -> None:
    with interpreter.kernel(DIRECT) as driver:
        waits = driver.run(
            "import sys, threading, time\ntime.sleep(2.5)\n"
            "print(any(isinstance(one, threading.Timer) for one in threading.enumerate()))"
        )
        version = driver.run("print(*sys.version_info[:3])").text()
        if (3, 11) <= tuple(map(int, version.split())) < (3, 11, 8):
            assert waits.text() == "True\n"


def test_without_it_nothing_hidden_is_sent() -> None:
    with (
        faulty_server([answer(("stdout", "ran"))]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        cells = ["first", "%magic", "!ls"]
        for cell in cells:
            driver.run(cell, user_expressions={"value": "1"})
            driver.reply(driver.client.complete("pri"))
            driver.reply(driver.client.inspect("print"))
        assert [request.json()["code"] for request in service.executions] == cells


ODD = {
    "no greeting": answer(("stdout", "ran")),
    "an error": answer(("error", "NameError: exec")),
    "garbage": http(200, b"\xff"),
    "a refusal": http(200, json.dumps({"data": None, "errors": ["no"]})),
    "a failure": http(500, ""),
    "no answer": hang_up(),
}


@pytest.mark.parametrize("way", ODD)
def test_a_service_that_answers_it_strangely_costs_nothing(way: str) -> None:
    with faulty_server([ODD[way], answer(("stdout", "mine"))]) as service:
        where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": "key"}
        with kernel("tci", DIRECT, **where) as driver:
            cell = driver.run("print('mine')")
            assert cell.reply["status"] == "ok"
            assert cell.text() == "mine"
            codes = [request.json()["code"] for request in service.executions]
            assert codes[1:] == ["print('mine')"]
            assert codes[0].startswith("exec(")
            driver.run("again")
            sent = [request.json() for request in service.executions]
            assert sent[-1]["code"] == "again"
            assert sent[-1]["session_id"] == SESSION
            # Where no session was named, it is tried once more in the one that the cell began.
            assert len(sent) == (3 if way in ("no greeting", "an error") else 4)


def test_what_it_says_is_not_trusted(helped: KernelDriver) -> None:
    mime = "application/vnd.tci-kernel+json"
    for content in (
        {"kind": "end", "count": "x"},
        {"kind": "error"},
        {"kind": 7},
        [1],
        "text",
        None,
    ):
        bundle = {mime: content, "text/plain": "kept"}
        cell = helped.run(f"_ = display({bundle!r}, raw=True)")
        assert "status" in cell.reply
    assert helped.run("1").reply["status"] == "ok"
