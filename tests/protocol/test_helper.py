"""What the helper in the session brings back, and that it leaves no trace there."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.faulty import SESSION, answer, faulty_server, hang_up, http
from tests.support.kernels import KernelDriver, kernel
from tests.support.servers import ServerProcess


def test_an_error_comes_in_its_parts(local_kernel: KernelDriver) -> None:
    cell = local_kernel.run("x = = 1")
    assert cell.reply["ename"] == "SyntaxError"
    assert re.fullmatch(r"invalid syntax \(.*, line 1\)", cell.reply["evalue"])
    assert cell.only("error")["traceback"] == cell.reply["traceback"]


def test_tracebacks_and_results_have_the_notebooks_numbers(local_kernel: KernelDriver) -> None:
    local_kernel.run("hidden = 1", store_history=False)
    local_kernel.reply(local_kernel.client.complete("hid"))
    cell = local_kernel.run("1/0")
    assert f"In[{cell.count}]" in re.sub(r"\x1b\[[\d;]*m", "", "\n".join(cell.reply["traceback"]))
    value = local_kernel.run("41 + 1")
    assert local_kernel.run(f"_{value.count}, Out[{value.count}]").only("execute_result")[
        "data"
    ] == {"text/plain": "(42, 42)"}


def test_metadata_comes_with_displays_and_results(local_kernel: KernelDriver) -> None:
    local_kernel.run(
        "from IPython.display import Image, HTML, display; png = b'\\x89PNG\\r\\n\\x1a\\n'"
    )
    shown = local_kernel.run(
        "display(Image(data=png, width=20)); HTML('<b>', metadata={'isolated': 1})"
    )
    assert shown.only("display_data")["metadata"] == {"image/png": {"width": 20}}
    assert shown.only("execute_result")["metadata"] == {"text/html": {"isolated": 1}}


def test_a_display_is_updated_from_a_later_cell(local_kernel: KernelDriver) -> None:
    shown = local_kernel.run("handle = display('first', display_id=True)").only("display_data")
    updated = local_kernel.run("handle.update('second')").only("update_display_data")
    assert updated["transient"] == shown["transient"]
    assert updated["data"] == {"text/plain": "'second'"}


def test_output_is_cleared_in_its_place(local_kernel: KernelDriver) -> None:
    cell = local_kernel.run(
        "from IPython.display import clear_output\nprint('a')\nclear_output(wait=True)\nprint('b')"
    )
    assert [kind for kind, _ in cell.outputs] == ["stream", "clear_output", "stream"]
    assert cell.only("clear_output") == {"wait": True}


def test_payloads_come_with_the_reply(local_kernel: KernelDriver) -> None:
    (page,) = local_kernel.run("len?").reply["payload"]
    assert page["source"] == "page"
    assert "Return the number of items" in page["data"]["text/plain"]
    (text,) = local_kernel.run("get_ipython().set_next_input('next')").reply["payload"]
    assert (text["source"], text["text"]) == ("set_next_input", "next")
    assert local_kernel.run("1").reply["payload"] == []


def test_an_error_that_ipython_prints_is_one_in_the_reply_alone(local_kernel: KernelDriver) -> None:
    cell = local_kernel.run("%no_such_magic")
    assert cell.reply["status"] == "error"
    assert cell.reply["ename"] == "UsageError"
    assert [kind for kind, _ in cell.outputs] == ["stream"]


def test_input_fails_at_once_in_words_that_a_reader_understands(local_kernel: KernelDriver) -> None:
    for code in ("input('name? ')", "from getpass import getpass; getpass()"):
        cell = local_kernel.run(code, allow_stdin=True)
        assert cell.reply["ename"] == "StdinNotImplementedError"
        assert "Put the value into the cell" in cell.reply["evalue"]


def test_user_expressions_are_evaluated_after_a_cell_that_succeeds(
    local_kernel: KernelDriver,
) -> None:
    asked = {"sum": "1 + 1", "missing": "no_such_name"}
    values = local_kernel.run("1", user_expressions=asked).reply["user_expressions"]
    assert values["sum"] == {"status": "ok", "data": {"text/plain": "2"}, "metadata": {}}
    assert (values["missing"]["status"], values["missing"]["ename"]) == ("error", "NameError")
    assert local_kernel.run("1/0", user_expressions=asked).reply["user_expressions"] == {}


def test_the_session_looks_as_if_nobody_had_been_there() -> None:
    report = (
        "print([n for n in dir() if not n.startswith('__')])\n"
        "print(In, Out, repr(_), repr(_i), get_ipython().history_manager.input_hist_raw[:-1])\n"
        "print([row for row in get_ipython().history_manager.get_range()][:-1])"
    )
    texts = []
    for name in ("tci-local", "python3"):
        with kernel(name) as driver:
            driver.client.complete("pri")
            texts.append(driver.run(report).text())
    assert texts[0] == texts[1]


def test_it_survives_a_reset_of_the_namespace() -> None:
    with kernel("tci-local") as driver:
        driver.run("x = 1")
        driver.run("%reset -f")
        assert driver.run("x").reply["ename"] == "NameError"
        handle = "from IPython.display import display; h = display(1, display_id='i'); h.update(2)"
        kinds = [kind for kind, _ in driver.run(handle).outputs]
        assert kinds == ["display_data", "update_display_data"]


def test_a_session_costs_one_hidden_request_and_can_be_joined(server: ServerProcess) -> None:
    where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    with kernel("tci", **where) as first:
        assert first.run("x = 1; x").only("execute_result")["execution_count"] == 1
        assert first.run("x").count == 2
        sessions = first.run("print(__import__('os').path.basename(__import__('os').getcwd()))")
        session_id = sessions.text().strip()
        with kernel("tci", f"--session={session_id}", **where) as second:
            # The number is the second notebook's, in the traceback as well.
            failed = second.run("x / 0")
            assert failed.count == 1
            text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(failed.reply["traceback"]))
            assert "In[1]" in text


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
        with kernel("tci", **where) as driver:
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


def test_what_it_says_is_not_trusted(local_kernel: KernelDriver) -> None:
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
        cell = local_kernel.run(f"_ = display({bundle!r}, raw=True)")
        assert "status" in cell.reply
    assert local_kernel.run("1").reply["status"] == "ok"
