"""`%%tci` in an ordinary notebook: what a cell shows there, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.extension.conftest import done
from tests.support.kernels import KernelDriver
from tests.support.waiting import PATIENCE, until

DISPLAYS = """\
from IPython.display import HTML, JSON, clear_output, display
display(HTML('<b>1</b>'), metadata={'text/html': {'isolated': True}})
shown = display({'a/b': [1], 'text/plain': 'x', 'image/png': 'aGk='}, raw=True, display_id='one')
print('between')
shown.update(JSON({'k': None}, expanded=True))
display({'text/plain': 'y'}, raw=True, update=True, display_id='one')
clear_output(wait=True)
import sys; print('last', file=sys.stderr)
"""

# Waits for a file that the test makes: until then it surely runs.
WAIT = "import os, time\nwhile not os.path.exists({path!r}): time.sleep(0.02)\n"

ENDLESS = "[__import__('time').sleep(0.02) for _ in iter(int, 1)]"


def without_colours(traceback: list[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(traceback))


def test_what_a_cell_displays_is_as_if_it_ran_here(each: KernelDriver) -> None:
    here, there = each.run(DISPLAYS), each.run(f"%%tci\n{DISPLAYS}")

    assert there.outputs == here.outputs
    assert there.reply["status"] == "ok"


def test_a_value_is_displayed_and_code_sees_what_ran_before(each: KernelDriver) -> None:
    done(each, "%%tci\nanswer = 42")

    assert each.run("%%tci\nanswer").only("display_data")["data"] == {"text/plain": "42"}
    assert each.run("answer").reply["ename"] == "NameError"  # it is there, not here


def test_output_comes_while_a_cell_runs(live: KernelDriver, tmp_path: Path) -> None:
    go = tmp_path / "go"
    cell = live.client.execute(f"%%tci\nprint('begun')\n{WAIT.format(path=str(go))}print('ended')")
    live.until_printed(cell, "begun\n")
    go.touch()

    assert live.finish(cell).text() == "ended\n"


def test_an_error_fails_the_cell_with_the_traceback_of_the_session(each: KernelDriver) -> None:
    cell = each.run("%%tci\nimport os\ndef fail():\n    1/0\nfail()")

    error = cell.only("error")
    text = without_colours(error["traceback"])
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert "fail()" in text
    assert "line 4" in text or "1/0" in text
    assert "tci_kernel" not in text
    assert "run_cell_magic" not in text
    assert (cell.reply["status"], cell.reply["ename"]) == ("error", "ZeroDivisionError")


def test_cells_that_wait_behind_a_failed_one_do_not_run(each: KernelDriver, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = f"%%tci\n{WAIT.format(path=str(go))}raise ValueError('no')"
    failing = each.client.execute(code, stop_on_error=True)
    waiting = each.client.execute("%%tci\nran = True", stop_on_error=True)
    go.touch()

    assert each.finish(failing).reply["ename"] == "ValueError"
    assert each.finish(waiting).reply["status"] == "aborted"
    # ipykernel aborts what comes within moments of that, too.
    until(lambda: each.run("1").reply["status"] == "ok", "cell that runs again")
    assert each.run("%%tci\nran").reply["ename"] == "NameError"


def test_errors_that_code_shows_and_goes_on_are_text(live: KernelDriver) -> None:
    code = "try: 1/0\nexcept ZeroDivisionError: get_ipython().showtraceback()\nprint('on')"
    cell = live.run(f"%%tci\n{code}")

    assert cell.reply["status"] == "ok"
    assert cell.text() == "on\n"
    assert "ZeroDivisionError" in cell.text("stderr")


def test_an_error_about_a_file_that_is_here_says_how_to_bring_it_there(
    live: KernelDriver,
) -> None:
    done(live, "open('cities.csv', 'w').close()")

    error = live.run("%%tci\nopen('cities.csv')").only("error")

    assert error["traceback"][-1] == "cities.csv is on this computer: %tci upload cities.csv"


@pytest.mark.parametrize(
    ("ask", "hidden"), [("input", False), ("__import__('getpass').getpass", True)]
)
def test_a_cell_asks_here(live: KernelDriver, ask: str, hidden: bool) -> None:
    cell = live.client.execute(
        f"%%tci\nprint('before', flush=True)\nprint('got', {ask}('name? '))", allow_stdin=True
    )
    request = live.client.get_stdin_msg(timeout=PATIENCE)
    assert request["content"] == {"prompt": "name? ", "password": hidden}
    live.client.input("somebody")

    assert live.finish(cell).text() == "before\ngot somebody\n"


def test_where_nobody_can_be_asked_the_code_reads_of_it(live: KernelDriver) -> None:
    assert live.run("%%tci\ninput()").reply["ename"] == "StdinNotImplementedError"


def test_an_interrupt_ends_a_question(live: KernelDriver) -> None:
    cell = live.client.execute("%%tci\ninput('for ever? ')", allow_stdin=True)
    live.client.get_stdin_msg(timeout=PATIENCE)
    live.interrupt()

    assert live.finish(cell).reply["ename"] == "KeyboardInterrupt"
    assert live.run("%%tci\nprint('on')").text() == "on\n"


def test_an_interrupt_stops_the_code_there_and_the_session_goes_on(
    live: KernelDriver, tmp_path: Path
) -> None:
    done(live, "%%tci\nkept = 7")
    stopped = tmp_path / "stopped"
    cell = live.client.execute(
        f"%%tci\ntry: print('begun', flush=True); {ENDLESS}\n"
        f"finally: open({str(stopped)!r}, 'w').close()"
    )
    live.until_published(cell, lambda one: one["msg_type"] == "stream", "begun")
    live.interrupt()

    ended = live.finish(cell)
    assert ended.reply["ename"] == "KeyboardInterrupt"
    assert ended.only("error")["ename"] == "KeyboardInterrupt"
    assert stopped.exists()
    assert live.run("%%tci\nprint(kept)").text() == "7\n"


def test_an_interrupt_ends_the_wait_for_a_request(direct: KernelDriver, tmp_path: Path) -> None:
    done(direct, "%%tci\nkept = 7")
    begun = tmp_path / "begun"
    cell = direct.client.execute(
        f"%%tci\nopen({str(begun)!r}, 'w').close()\n{WAIT.format(path=str(tmp_path / 'go'))}"
    )
    until(begun.exists, "code that runs")
    direct.interrupt()

    assert direct.finish(cell).reply["ename"] == "KeyboardInterrupt"
    (tmp_path / "go").touch()  # the service may not have stopped it
    until(lambda: direct.run("%%tci\nprint(kept)").text() == "7\n", "session that goes on")


def test_what_a_thread_prints_later_is_shown_below_the_last_cell(
    live: KernelDriver, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    cell = live.client.execute(
        f"%%tci\nimport threading\ndef late():\n    import os, time\n"
        f"    while not os.path.exists({str(go)!r}): time.sleep(0.02)\n    print('late')\n"
        "threading.Thread(target=late).start()"
    )
    assert live.finish(cell).text() == ""
    assert live.run("'here'").reply["status"] == "ok"
    go.touch()

    assert live.until_printed(cell, "late\n") == "late\n"


def test_a_widget_is_shown_by_its_text(live: KernelDriver) -> None:
    cell = live.run("%%tci\nimport ipywidgets\nipywidgets.IntSlider(7)")

    assert cell.only("display_data")["data"] == {"text/plain": "IntSlider(value=7)"}
    assert [one["msg_type"] for one in cell.published if one["msg_type"].startswith("comm")] == []


def test_help_on_a_name_opens_here(live: KernelDriver) -> None:
    (page,) = live.run("%%tci\nprint?").reply["payload"]

    assert page["source"] == "page"
    assert "Prints the values" in page["data"]["text/plain"]


def test_a_cell_has_the_number_that_it_has_here(live: KernelDriver) -> None:
    cell = live.run("%%tci\n1/0")

    assert f"In[{cell.count}]" in without_colours(cell.only("error")["traceback"])


def test_tci_lines_stand_above_the_code_too(each: KernelDriver) -> None:
    done(each, "open('above.txt', 'w').write('x' * 3)and None")
    cell = each.run("%%tci\n%tci upload above.txt\nprint(open('above.txt').read())")

    assert cell.text() == "xxx\n"
    assert each.run("%%tci\n%%local\n1").only("error")["evalue"].startswith("%%local is for")
