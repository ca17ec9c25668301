"""`%%local` cells: an IPython in the kernel's own process, seen through a real kernel."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faulty import answer, faulty_server
from tests.support.kernels import Answer, KernelDriver, kernel
from tests.support.waiting import PATIENCE

PNG = "b'\\x89PNG\\r\\n\\x1a\\n'"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelDriver]:
    """A `tci` kernel without a key, whose service would be met at a closed port."""
    home = tmp_path_factory.mktemp("home")
    with kernel("tci", HOME=str(home), TOGETHER_BASE_URL="http://127.0.0.1:9/v1") as made:
        yield made


def plain(cell: Answer) -> str:
    """The traceback without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(cell.reply["traceback"]))


def until_printed(driver: KernelDriver, msg_id: str, text: str) -> None:
    """Wait for a request to print something, while it goes on running."""
    driver.until_published(
        msg_id, lambda message: text in message["content"].get("text", ""), f"{text!r}"
    )


def test_it_keeps_names_and_has_the_notebooks_numbers(driver: KernelDriver) -> None:
    assert driver.run("%%local\nx = 40").outputs == []
    cell = driver.run("%%local\nx + 2")
    assert cell.only("execute_result") == {
        "data": {"text/plain": "42"},
        "metadata": {},
        "execution_count": cell.count,
    }
    again = driver.run(f"%%local\nOut[{cell.count}], _{cell.count}, len(In) - 1")
    assert again.only("execute_result")["data"]["text/plain"] == f"(42, 42, {again.count})"


def test_it_costs_no_request_and_needs_no_key() -> None:
    with faulty_server([answer()]) as service:
        where = {"TOGETHER_BASE_URL": service.base_url}
        with kernel("tci", **where) as driver:
            cell = driver.run("%%local\nx = 1\nx", user_expressions={"y": "x + 1"})
            assert cell.only("execute_result")["data"] == {"text/plain": "1"}
            assert cell.reply["user_expressions"]["y"]["data"] == {"text/plain": "2"}
            code = "%%local\nx.real"
            driver.reply(driver.client.complete(code, len(code)))
            driver.reply(driver.client.inspect(code, len(code)))
            assert service.requests == []


def test_it_and_the_session_know_nothing_of_each_other(local_kernel: KernelDriver) -> None:
    local_kernel.run("there = 1")
    local_kernel.run("%%local\nhere = 1")
    assert local_kernel.run("%%local\nthere").reply["ename"] == "NameError"
    assert local_kernel.run("here").reply["ename"] == "NameError"


def test_it_makes_no_profile(driver: KernelDriver) -> None:
    home = driver.run("%%local\nimport os\nprint(sorted(os.listdir(os.environ['HOME'])))")
    assert ".ipython" not in home.text()
    driver.run("%%local\n%bookmark here")
    assert "here" in driver.run("%%local\n%bookmark -l").text()
    home = driver.run("%%local\nprint(sorted(os.listdir(os.environ['HOME'])))")
    assert ".ipython" not in home.text()


def test_text_arrives_while_the_cell_runs(driver: KernelDriver, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    code = (
        "%%local\nimport os, sys, time\nprint('first')\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\nprint('second')"
    )
    running = driver.client.execute(code)
    until_printed(driver, running, "first")
    gate.touch()
    assert driver.finish(running).text() == "second\n"


def test_outputs_keep_their_order(driver: KernelDriver) -> None:
    cell = driver.run(
        "%%local\nimport sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')\n"
        "display(1)\nprint('d')\n2"
    )
    # The text between two others may come in pieces.
    shown = [content.get("text") or kind for kind, content in cell.outputs]
    order = "".join(shown)
    assert order == "a\nb\nc\ndisplay_datad\nexecute_result"
    assert cell.text("stderr") == "b\n"


def test_what_a_thread_prints_after_the_cell_belongs_to_it(
    driver: KernelDriver, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    started = driver.run(
        "%%local\nimport os, sys, threading, time\nout = sys.stdout\n"
        f"def late():\n    while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        "    print('late', file=out)\nthreading.Thread(target=late).start()"
    )
    msg_id = started.published[0]["parent_header"]["msg_id"]
    gate.touch()
    until_printed(driver, msg_id, "late")


def test_displays_have_metadata_and_are_updated_and_cleared(driver: KernelDriver) -> None:
    shown = driver.run(
        f"%%local\nfrom IPython.display import *\ndisplay(Image(data={PNG}, width=20))\n"
        "handle = display('first', display_id=True)\nclear_output(wait=True)"
    )
    image, text, clear = (content for _, content in shown.outputs)
    assert image["metadata"] == {"image/png": {"width": 20}}
    assert clear == {"wait": True}
    updated = driver.run("%%local\nhandle.update('second')").only("update_display_data")
    assert updated["transient"] == text["transient"]
    assert updated["data"] == {"text/plain": "'second'"}


def test_bytes_of_an_image_travel_as_base64(driver: KernelDriver) -> None:
    cell = driver.run(f"%%local\nclass P:\n    def _repr_png_(self): return {PNG}\nP()")
    assert cell.only("execute_result")["data"]["image/png"].startswith("iVBORw0KGg")


def test_figures_show_inline_without_being_asked_to(driver: KernelDriver) -> None:
    cell = driver.run("%%local\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert "image/png" in cell.only("display_data")["data"]
    cell = driver.run("%%local\n%matplotlib inline\nplt.plot([1, 2]); print('drawn')")
    assert [kind for kind, _ in cell.outputs] == ["stream", "display_data"]
    cell = driver.run("%%local\n%gui qt")
    assert "opens no windows" in cell.text("stderr")


def test_a_failure_has_the_cells_number_and_lines(driver: KernelDriver) -> None:
    cell = driver.run("# why\n\n%%local\n\ndef f():\n    return 1/0\nf()")
    assert cell.reply["ename"] == "ZeroDivisionError"
    assert cell.only("error")["traceback"] == cell.reply["traceback"]
    assert f"Cell In[{cell.count}], line 7" in plain(cell)
    assert f"Cell In[{cell.count}], line 6" in plain(cell)
    cell = driver.run("%%local\nx = = 1")
    assert cell.reply["ename"] == "SyntaxError"
    assert f"Cell In[{cell.count}], line 2" in plain(cell)


def test_every_way_to_fail_makes_one_error_in_the_reply(driver: KernelDriver) -> None:
    for code, name in {
        "raise SystemExit(3)": "SystemExit",
        "%no_such_magic": "UsageError",
        "raise ExceptionGroup('both', [ValueError(1)])": "ExceptionGroup",
        "(": "_IncompleteInputError|SyntaxError",
        "class Odd:\n    def __repr__(self): return 1/0\nOdd()": "ZeroDivisionError",
    }.items():
        cell = driver.run(f"%%local\n{code}")
        assert cell.reply["status"] == "error", code
        assert re.fullmatch(name, cell.reply["ename"])
        assert len([kind for kind, _ in cell.outputs if kind == "error"]) <= 1


def test_exit_ends_nothing(driver: KernelDriver) -> None:
    for code in ("exit", "exit()", "quit()"):
        assert "no effect" in driver.run(f"%%local\n{code}").text("stderr")
    assert driver.run("%%local\n1").reply["status"] == "ok"


def test_magics_commands_and_coroutines_work(driver: KernelDriver, tmp_path: Path) -> None:
    assert driver.run("%%local\n!echo here; echo there >&2").text() == "here\r\nthere\r\n"
    assert driver.run("%%local\nfiles = !echo one\nprint(files)").text() == "['one']\n"
    assert driver.run("%%local\n%%capture got\nprint('kept')").outputs == []
    assert driver.run("%%local\nprint(got.stdout)").text() == "kept\n\n"
    assert driver.run("%%local\n%%writefile x.txt\ntext").reply["status"] == "ok"
    driver.run("%%local\nimport os; os.remove('x.txt')")
    cell = driver.run("%%local\nimport asyncio\nawait asyncio.sleep(0.01, 'waited')")
    assert cell.only("execute_result")["data"] == {"text/plain": "'waited'"}
    driver.run(f"%%local\nbefore = os.getcwd()\nos.chdir({str(tmp_path)!r})")
    (tmp_path / "beside.py").write_text("value = 7")
    assert driver.run("%%local\nimport beside; print(beside.value)").text() == "7\n"
    driver.run("%%local\nos.chdir(before)")


def test_a_pager_and_the_next_input_come_with_the_reply_once(driver: KernelDriver) -> None:
    (page,) = driver.run("%%local\nlen?").reply["payload"]
    assert page["source"] == "page"
    assert "Return the number of items" in page["data"]["text/plain"]
    (text,) = driver.run("%%local\nget_ipython().set_next_input('next')").reply["payload"]
    assert (text["source"], text["text"]) == ("set_next_input", "next")
    assert driver.run("%%local\n1").reply["payload"] == []


@pytest.mark.parametrize("how", ["message", "signal"])
@pytest.mark.parametrize(
    "body",
    [
        "import time\nprint('on')\ntime.sleep(600)",
        "print('on')\nwhile True: pass",
        "import asyncio\nprint('on')\nawait asyncio.sleep(600)",
        "import asyncio\nawait asyncio.sleep(0)\nprint('on')\nwhile True: pass",
        "!echo on; sleep 600",
        "print('on'); input('? ')",
    ],
)
def test_an_interrupt_stops_it(driver: KernelDriver, body: str, how: str) -> None:
    running = driver.client.execute(f"%%local\n{body}", allow_stdin=True, stop_on_error=False)
    until_printed(driver, running, "on")
    if how == "message":
        driver.interrupt()
    else:
        os.kill(driver.pid, signal.SIGINT)
    cell = driver.finish(running)
    if not body.startswith("!"):  # IPython ends a command, and the cell goes on
        assert cell.reply["ename"] == "KeyboardInterrupt"
        assert "In[" in plain(cell)
        assert "tci_kernel" not in plain(cell)
    assert driver.run("%%local\nprint('alive')").text() == "alive\n"


def test_a_shutdown_does_not_wait_for_it() -> None:
    with kernel("tci") as driver:
        running = driver.client.execute("%%local\nimport time\nprint('on')\ntime.sleep(600)")
        until_printed(driver, running, "on")
        driver.control("shutdown_request", {"restart": False})
        driver.manager.provisioner.process.wait(PATIENCE)  # type: ignore[union-attr]


def answered(driver: KernelDriver, code: str, *lines: str) -> tuple[Answer, list[dict[str, Any]]]:
    """Run code that asks for lines; gives the prompts too."""
    running = driver.client.execute(code, allow_stdin=True, stop_on_error=False)
    asked = []
    for line in lines:
        message = driver.client.get_stdin_msg(timeout=PATIENCE)
        while message["parent_header"]["msg_id"] != running:  # of a cell that was interrupted
            message = driver.client.get_stdin_msg(timeout=PATIENCE)
        asked.append(message["content"])
        driver.client.input(line)
    return driver.finish(running), asked


def test_input_asks_in_the_notebook(driver: KernelDriver) -> None:
    code = "%%local\nimport getpass\n(input('name? '), getpass.getpass('key? '))"
    cell, asked = answered(driver, code, "Ada", "secret")
    assert cell.only("execute_result")["data"] == {"text/plain": "('Ada', 'secret')"}
    assert asked == [
        {"prompt": "name? ", "password": False},
        {"prompt": "key? ", "password": True},
    ]
    assert answered(driver, "%%local\ninput()", "\x04")[0].reply["ename"] == "EOFError"


def test_input_without_anybody_fails_at_once(driver: KernelDriver) -> None:
    cell = driver.run("%%local\ninput()")
    assert cell.reply["ename"] == "StdinNotImplementedError"
    assert "takes no questions" in cell.reply["evalue"]


def test_completion_and_inspection_know_its_names(driver: KernelDriver) -> None:
    driver.run("%%local\nnotebook_value = 'text'")
    code = "%tci\n%%local\nnotebook_va"
    reply = driver.reply(driver.client.complete(code, len(code)))["content"]
    assert "notebook_value" in reply["matches"]
    assert code[reply["cursor_start"] : reply["cursor_end"]] == "notebook_va"
    reply = driver.reply(driver.client.inspect("%%local\nnotebook_value", 12))["content"]
    assert reply["found"]
    assert "str" in reply["data"]["text/plain"]
    assert not driver.reply(driver.client.inspect("%%local\nno_such", 12))["content"]["found"]
    # Cells that run in the session are not completed from it.
    reply = driver.reply(driver.client.complete("notebook_va", 11))["content"]
    assert reply["matches"] == []


def test_it_is_in_the_history_as_it_was_written(driver: KernelDriver) -> None:
    driver.run("%%local\nremembered = 1")
    reply = driver.reply(driver.client.history(hist_access_type="tail", n=1, output=False))
    assert reply["content"]["history"][-1][2] == "%%local\nremembered = 1"


def test_hidden_it_leaves_no_count(driver: KernelDriver) -> None:
    before = driver.run("%%local\n1").count
    driver.run("%%local\nprint(1)", silent=True)
    assert driver.run("%%local\n1").count == before + 1


def test_words_behind_it_are_refused(driver: KernelDriver) -> None:
    cell = driver.run("%%local --wrong\nx")
    assert cell.reply["ename"] == "UsageError"
    assert "'--wrong'" in cell.reply["evalue"]
    assert "Usage: %%local" in driver.run("%%local --help").text()
    assert driver.run("%%local").outputs == []


def test_lines_of_tci_run_before_it(driver: KernelDriver) -> None:
    cell = driver.run("%tci new\n%%local\nprint('then')")
    assert [kind for kind, _ in cell.outputs] == ["display_data", "stream"]


def test_it_is_not_replayed() -> None:
    with kernel("tci-local") as driver:
        driver.run("x = 1")
        driver.run("%%local\nprint('here')")
        cell = driver.run("%tci replay\nx")
        assert cell.reply["status"] == "ok"
        assert "here" not in cell.text()
