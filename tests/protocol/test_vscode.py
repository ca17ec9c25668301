"""What VS Code's Jupyter extension says to a kernel: start-up, completion, hover, Variables.

The service is the local server behind a proxy that counts: most of this must cost nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.support.counting import EXTENSIONS, CountingProxy, counted
from tests.support.kernels import Answer, KernelDriver, kernel
from tests.support.servers import TOKEN, serving
from tests.support.vscode import (
    DESCRIBE,
    HIDDEN,
    LIST_TYPES,
    MIME,
    SHAPE,
    START_UP,
    background,
    completion,
    hover,
)


class Editor(NamedTuple):
    """A kernel as VS Code sees it, and what it sends to the service."""

    driver: KernelDriver
    sent: CountingProxy

    def hidden(self, code: str) -> Answer:
        """Run code that the user does not see."""
        return self.driver.run(code, **HIDDEN)

    def in_background(self, number: int, code: str) -> Any:
        """Run code in the extension's way for threads; gives what its result is."""
        mime = MIME.format(number)
        asked = self.driver.client.execute(background(mime, code), **HIDDEN)
        answer = self.driver.finish(asked)
        assert answer.reply["status"] == "ok"
        (first, place), *late = answer.outputs
        if not late:  # a thread of the session tells it after the cell
            told = self.driver.until_published(asked, _is_update, "the result")
            late = [(told["msg_type"], told["content"])]
        ((second, content),) = late
        assert (first, second) == ("display_data", "update_display_data")
        assert place["data"] == {mime: ""}
        assert content["transient"] == place["transient"]
        assert content["transient"]["display_id"]
        (result,) = content["data"].items()
        assert result[0] == f"{mime}.result"
        return result[1]


def _is_update(message: dict[str, Any]) -> bool:
    return bool(message["msg_type"] == "update_display_data")


@pytest.fixture
def editor() -> Iterator[Editor]:
    with (
        serving() as server,
        counted(server.base_url, without=EXTENSIONS) as proxy,
        kernel("tci", TOGETHER_BASE_URL=proxy.base_url, TOGETHER_API_KEY=TOKEN) as driver,
    ):
        yield Editor(driver, proxy)


def test_opening_a_notebook_sends_nothing_and_the_first_cell_is_number_one(editor: Editor) -> None:
    driver, sent = editor
    for channel in (driver.client.control_channel, driver.client.shell_channel):
        channel.send(driver.client.session.msg("kernel_info_request", {}))
    for code in START_UP:
        answer = editor.hidden(code)
        assert answer.reply["status"] == "ok"
        assert answer.outputs == []
    assert driver.reply(driver.client.complete("__file__.", 9))["content"]["status"] == "ok"
    assert editor.in_background(0, completion("import o"))["status"] == "ok"
    assert "len(obj" in str(editor.in_background(1, hover("len")))
    assert editor.in_background(2, DESCRIBE) == "[]"
    assert editor.hidden(LIST_TYPES).text() == "[]\n"
    assert sent.taken() == []
    cell = driver.run("1 + 1")
    assert (cell.count, cell.only("execute_result")["execution_count"]) == (1, 1)
    assert "secret place" not in str(sent.taken())  # the notebook's path


def test_completion_in_the_background_knows_the_session(editor: Editor) -> None:
    editor.driver.run("remote_name = {'a key': 1}")
    editor.in_background(6, completion("warm"))  # a first completion takes its time
    editor.sent.taken()
    reply = editor.in_background(7, completion("x = 1\nremote_na"))
    assert reply["matches"] == ["remote_name"]
    assert (reply["cursor_start"], reply["cursor_end"], reply["status"]) == (6, 15, "ok")
    assert editor.sent.executions() == 1
    assert editor.in_background(8, completion('remote_name["a'))["matches"] == ["a key"]


def test_hover_in_the_background_knows_the_session(editor: Editor) -> None:
    editor.driver.run("def helpful():\n    'Helps a lot.'")
    editor.sent.taken()
    reply = editor.in_background(3, hover("helpful"))
    assert reply["found"]
    assert "Helps a lot." in reply["data"]["text/plain"]
    assert editor.sent.executions() == 1


def test_completion_in_the_background_does_not_wait_for_the_running_cell(editor: Editor) -> None:
    editor.driver.run("early_name = 1")
    running = editor.driver.client.execute("import time\nlate_name = 1\ntime.sleep(30)")
    for number in range(4, 24):  # on a busy machine an answer in time may be an empty one
        matches = editor.in_background(number, completion("early_na"))["matches"]
        if matches:
            break
    assert matches == ["early_name"]
    editor.driver.interrupt()
    assert editor.driver.reply(running)["content"]["ename"] == "KeyboardInterrupt"


def test_the_variables_panel_lists_the_sessions_variables(editor: Editor) -> None:
    editor.driver.run("import pandas\nnumber = 42\nframe = pandas.DataFrame({'a': [1, 2, 3]})")
    editor.sent.taken()
    types = json.loads(editor.hidden(LIST_TYPES).text())
    assert {"number": "int", "frame": "DataFrame"}.items() <= types.items()
    assert editor.sent.executions() == 1
    for name, kind, value in (("number", "int", "42"), ("frame", "DataFrame", "a")):
        data = editor.driver.reply(editor.driver.client.inspect(name, 0))["content"]["data"]
        text = re.sub(r"\x1b\[[\d;]*m", "", data["text/plain"])
        assert re.search(rf"^Type:\s+{kind}$", text, re.MULTILINE)
        assert value in text
    assert editor.sent.executions() == 2
    assert json.loads(editor.hidden(SHAPE).text()) == {"shape": "(3, 1)", "count": 3}
    described = {row["name"]: row for row in json.loads(editor.in_background(5, DESCRIBE))}
    assert described["number"] == {"name": "number", "type": "int", "value": "42"}
    assert "_VSCODE" not in str(types) + str(described)


def test_a_data_viewers_code_runs_in_the_session_and_moves_no_count(editor: Editor) -> None:
    editor.driver.run("import pandas\nframe = pandas.DataFrame({'a': [1, 2, 3]})")
    rows = editor.hidden("print(frame[1:3].to_json(orient='split'))")
    assert json.loads(rows.text())["data"] == [[2], [3]]
    failed = editor.hidden("raise RuntimeError('hidden')")
    assert failed.reply["ename"] == "RuntimeError"
    cell = editor.driver.run("In[1:]")
    assert cell.count == 2
    assert "to_json" not in cell.only("execute_result")["data"]["text/plain"]
