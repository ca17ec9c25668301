"""Notebooks in VS Code, as far as its wire goes: the packages of its Jupyter extension, in Node.

What the extension asks of a kernel is tested in `tests/protocol`; here its own code does the
asking, starts the process, and ends it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.clients.editor import Cell, Editor, editing
from tests.support.counting import CountingProxy, counted
from tests.support.servers import ServerProcess
from tests.support.vscode import DESCRIBE, LIST_TYPES, START_UP, completion, hover
from tests.support.waiting import until


@pytest.fixture(scope="module")
def service(server: ServerProcess) -> Iterator[CountingProxy]:
    with counted(server.base_url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def editor(server: ServerProcess, service: CountingProxy) -> Iterator[Editor]:
    """An editor on `tci`, whose tests go on where the one before them ended."""
    settings = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": server.token}
    with editing("tci", **os.environ, **settings) as opened:
        started = opened.do("start")
        assert started["info"]["language_info"]["name"] == "python"
        assert started["same"]
        yield opened
        opened.do("stop")


def test_opening_a_notebook_sends_nothing(editor: Editor, service: CountingProxy) -> None:
    for code in START_UP:
        answer = editor.hidden(code)
        assert (answer.reply["status"], answer.outputs) == ("ok", [])
    assert editor.do("complete", code="__file__.", position=9)["status"] == "ok"
    assert editor.in_background(0, completion("import o"))["status"] == "ok"
    assert editor.in_background(1, hover("len"))["found"]
    assert editor.in_background(2, DESCRIBE) == "[]"
    assert editor.hidden(LIST_TYPES).text() == "[]\n"
    assert service.taken() == []


def test_the_first_cell_is_number_one(editor: Editor, service: CountingProxy) -> None:
    cell = editor.run("remote_name = 41\nremote_name + 1")
    assert (cell.count, cell.reply["execution_count"]) == (1, 1)
    assert cell.outputs[0][1]["data"] == {"text/plain": "42"}
    assert service.executions() > 0


def test_an_error_comes_twice_and_names_its_cell(editor: Editor) -> None:
    cell = editor.run("def fail():\n    1/0\n\nfail()")
    ((kind, error),) = cell.outputs
    assert (kind, cell.reply["status"]) == ("error", "error")
    assert {key: cell.reply[key] for key in error} == error
    assert error["ename"] == "ZeroDivisionError"
    traceback = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error["traceback"]))
    assert f"Cell In[{cell.count}], line 2" in traceback


def test_completion_and_hover_know_the_session(editor: Editor) -> None:
    def completed() -> bool:
        # The first one of a session may come late on a busy machine: who types on asks again.
        found = editor.do("complete", code="remote_na", position=9)["matches"]
        return bool(found == ["remote_name"])

    until(completed, "a completion")
    assert editor.in_background(3, completion("remote_na"))["matches"] == ["remote_name"]
    assert "int" in editor.in_background(4, hover("remote_name"))["data"]["text/plain"]


def test_the_variables_panel_lists_the_session(editor: Editor) -> None:
    assert json.loads(editor.hidden(LIST_TYPES).text())["remote_name"] == "int"
    rows = json.loads(editor.in_background(5, DESCRIBE))
    assert {"name": "remote_name", "type": "int", "value": "41"} in rows
    assert "41" in editor.do("inspect", code="remote_name")["data"]["text/plain"]


def test_output_is_there_while_the_cell_runs(editor: Editor, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    wait = f"import os, time\nwhile not os.path.exists({str(seen)!r}): time.sleep(0.01)"
    running = editor.begin("execute", code=f"print('first', 'tick')\n{wait}\nprint('second')")
    editor.do("seen", text="first tick\n")
    seen.touch()
    cell = Cell(**editor.end(running))
    assert (cell.reply["status"], cell.text()) == ("ok", "first tick\nsecond\n")


def test_a_cell_asks_and_gets_what_is_typed(editor: Editor) -> None:
    assert editor.run("print(input('What? '))").text() == "typed\n"


def test_widgets_are_moved_from_either_side(editor: Editor) -> None:
    code = """
import ipywidgets as widgets
slider, label = widgets.IntSlider(max=10), widgets.Label("untouched")
slider.observe(lambda change: setattr(label, "value", f"size {change.new}"), "value")
display(slider, label)
"""
    ((_, first), (_, second)) = (
        output for output in editor.run(code).outputs if output[0] == "display_data"
    )
    for shown in (first, second):
        assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    editor.do("moved", model="LabelModel", value="untouched")
    editor.do("move", model="IntSliderModel", value=5)
    editor.do("moved", model="LabelModel", value="size 5")
    assert editor.run("slider.value = 7").reply["status"] == "ok"
    editor.do("moved", model="IntSliderModel", value=7)
    editor.do("moved", model="LabelModel", value="size 7")


def test_an_interrupt_stops_the_cell_which_keeps_its_output(editor: Editor) -> None:
    running = editor.begin("execute", code="print('be' + 'gun')\nimport time\ntime.sleep(60)")
    editor.do("seen", text="begun\n")
    assert editor.do("interrupt")["status"] == "ok"
    cell = Cell(**editor.end(running))
    assert (cell.reply["ename"], cell.text()) == ("KeyboardInterrupt", "begun\n")
    assert editor.run("remote_name").reply["status"] == "ok"


def test_a_restart_ends_the_process_and_forgets_the_session(editor: Editor) -> None:
    restarted = editor.do("restart")
    assert restarted["old"]["signal"] == "SIGTERM"
    assert "Traceback" not in restarted["old"]["said"]
    cell = editor.run("remote_name")
    assert (cell.count, cell.reply["ename"]) == (1, "NameError")


def test_on_tci_local_a_restart_leaves_no_interpreter() -> None:
    with editing("tci-local", **os.environ) as editor:
        editor.do("start")
        pid = editor.run("import os\nprint(os.getpid())").text()
        editor.do("restart")
        with suppress(psutil.NoSuchProcess):
            psutil.Process(int(pid)).wait(30)
        assert editor.run("6 * 7").outputs[0][1]["data"] == {"text/plain": "42"}
        assert editor.do("stop")["signal"] == "SIGTERM"
