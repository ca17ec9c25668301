"""`%tci` lines, as somebody uses them in a notebook: on the local kernel, and without a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.counting import EXTENSIONS, CountingProxy, counted
from tests.support.kernels import KernelDriver, kernel, shown
from tests.support.servers import TOKEN, serving
from tests.support.waiting import until


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[KernelDriver, CountingProxy]]:
    """The kernel `tci` at a local server, behind a proxy that counts."""
    with (
        serving() as server,
        counted(server.base_url, without=EXTENSIONS) as proxy,
        kernel("tci", TOGETHER_BASE_URL=proxy.base_url, TOGETHER_API_KEY=TOKEN) as driver,
    ):
        yield driver, proxy


@pytest.fixture
def driver(served: tuple[KernelDriver, CountingProxy]) -> KernelDriver:
    driver, proxy = served
    driver.run("%tci new")
    proxy.taken()
    return driver


@pytest.fixture
def sent(served: tuple[KernelDriver, CountingProxy]) -> CountingProxy:
    return served[1]


def session_of(driver: KernelDriver) -> str:
    match = re.search(r"^Session +(\S+)$", shown(driver.run("%tci status")), re.MULTILINE)
    assert match, "there is no session"
    return match[1]


def complete(driver: KernelDriver, code: str) -> dict[str, Any]:
    content: dict[str, Any] = driver.reply(driver.client.complete(code))["content"]
    return content


def described(reply: dict[str, Any]) -> list[str]:
    """What stands beside the completions."""
    return [entry["type"] for entry in reply["metadata"]["_jupyter_types_experimental"]]


def test_status_without_a_session_begins_none(driver: KernelDriver, sent: CountingProxy) -> None:
    text = shown(driver.run("%tci"))
    assert "none: the next cell begins one" in text
    assert sent.base_url in text
    assert re.search(r"^Round trip +\d+ ms$", text, re.MULTILINE)
    assert [method for method, _ in sent.taken()] == ["GET"]


def test_status_tells_of_the_session(driver: KernelDriver) -> None:
    driver.run("x = 1")
    driver.run("1 / 0")
    text = shown(driver.run("%tci status"))
    for row in (
        r"Cells run +2 \(requests in all: \d+\)",
        r"Machine +[\d.]+ CPUs?, [\d.]+ .B of memory, [\d.]+ .B of disk free",
        r"GPUs +(none of NVIDIA|.* \(\d+\))",
        r"Network +(there is a way out|no way out).*",
        r"Files +0 in /.*",
        r"Session +ses_\w{21}",
        r"Started +.* ago\)",
        r"Expires +.*\(in .*\)",
    ):
        assert re.search(f"^{row}$", text, re.MULTILINE), row


def test_status_needs_no_service() -> None:
    with kernel("tci", TOGETHER_BASE_URL="http://127.0.0.1:1/v1", TOGETHER_API_KEY="key") as driver:
        assert "not reached: No connection to http://127.0.0.1:1/v1" in shown(driver.run("%tci"))
    with kernel("tci") as driver:
        assert "there is no API key" in shown(driver.run("%tci"))


def test_lines_run_in_order_before_the_rest_of_the_cell(driver: KernelDriver) -> None:
    driver.run("x = 1")
    answer = driver.run("  %tci new\n\n%tci sessions\n'x' in globals()")
    first, second, result = [content["data"]["text/plain"] for _, content in answer.outputs]
    assert first.startswith("The next cell begins a new session.")
    assert second.splitlines()[0].split()[0] == "Session"
    assert result == "False"


def test_the_cells_own_lines_are_numbered_in_tracebacks(driver: KernelDriver) -> None:
    answer = driver.run("%tci status\n%tci status\nfine = 1\n1 / 0")
    error = answer.only("error")
    plain = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error["traceback"]))
    assert f"Cell In[{answer.count}], line 4" in plain


def test_other_magics_go_to_the_session_untouched(driver: KernelDriver) -> None:
    assert driver.run("%tci status\n%%capture out\nprint('kept')").reply["status"] == "ok"
    assert driver.run("out.stdout").only("execute_result")["data"]["text/plain"] == r"'kept\n'"
    assert driver.run("%tcix").reply["status"] == "error"


def test_new_begins_afresh_and_attach_goes_back(driver: KernelDriver) -> None:
    driver.run("x = 'the old session'")
    old = session_of(driver)
    assert old in shown(driver.run("%tci new"))
    assert driver.run("x").reply["ename"] == "NameError"
    assert session_of(driver) != old
    listed = shown(driver.run("%tci sessions"))
    assert re.search(rf"^\* +{session_of(driver)} ", listed, re.MULTILINE)
    assert re.search(rf"^  +{old} ", listed, re.MULTILINE)
    assert old in shown(driver.run(f"%tci attach {old}"))
    assert driver.run("x").only("execute_result")["data"]["text/plain"] == "'the old session'"


def test_attach_to_what_is_not_there_changes_nothing(driver: KernelDriver) -> None:
    driver.run("x = 1")
    before = session_of(driver)
    refused = driver.run("%tci attach ses_nothere")
    assert refused.reply["ename"] == "UsageError"
    assert "ses_nothere" in refused.reply["evalue"]
    assert before in refused.reply["evalue"]
    assert session_of(driver) == before


def test_replay_runs_a_range_of_the_successful_cells(driver: KernelDriver) -> None:
    first = driver.run("a = 'first'").count
    driver.run("failed = 1 / 0")
    second = driver.run("b = 'second'").count
    third = driver.run("c = 'third'").count
    before = session_of(driver)
    answer = driver.run(f"%tci replay --from {first} --to {second}")
    assert "cells were run again: 2" in shown(answer)
    assert session_of(driver) != before
    known = driver.run("[name for name in ('a', 'b', 'c', 'failed') if name in globals()]")
    assert known.only("execute_result")["data"]["text/plain"] == "['a', 'b']"
    driver.run(f"%tci replay --from {third}")
    assert driver.run("c").reply["status"] == "error"  # it was not among the session's cells


def test_what_ran_before_a_new_session_can_be_run_again_in_it(driver: KernelDriver) -> None:
    driver.run("a = 'old'")
    driver.run(f"%tci attach {session_of(driver)}")
    driver.run("b = 'old too'")
    assert "succeeded before in the new one (1): %tci replay" in shown(driver.run("%tci new"))
    assert driver.run("'b' in globals()").only("execute_result")["data"]["text/plain"] == "False"
    assert "cells were run again: 2" in shown(driver.run("%tci replay"))
    assert driver.run("b").only("execute_result")["data"]["text/plain"] == "'old too'"


def test_where_there_is_nothing_to_replay_the_session_stays(driver: KernelDriver) -> None:
    driver.run("1 / 0")
    driver.run(f"%tci attach {session_of(driver)}")  # what another notebook has run is not known
    assert "none has succeeded" in driver.run("%tci replay").reply["evalue"]
    before = session_of(driver)
    first, last = driver.run("a = 1").count, driver.run("b = 2").count
    for options in (f"--from {last + 1}", f"--to {first - 1}", f"--from {last} --to {first}"):
        refused = driver.run(f"%tci replay {options}").reply
        assert refused["ename"] == "UsageError"
        assert f"numbers from {first} to {last}" in refused["evalue"]
    assert session_of(driver) == before


def test_status_does_not_wait_for_another_notebooks_cell(
    driver: KernelDriver, sent: CountingProxy
) -> None:
    driver.run("x = 1")
    session = session_of(driver)
    with kernel("tci", TOGETHER_BASE_URL=sent.base_url, TOGETHER_API_KEY=TOKEN) as other:
        other.run(f"%tci attach {session}\nx")
        sent.taken()
        running = other.client.execute("import time; time.sleep(60)")
        until(sent.executions, "the long cell at the service")
        assert "Files        not known: the session is busy" in shown(driver.run("%tci status"))
        other.interrupt()
        assert other.finish(running).reply["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("statsu", "No such command 'statsu'"),
        ("replay --form 2", "No such option '--form'"),
        ("replay --from soon", "'soon' is not a valid integer"),
        ("replay --from 0", "0 is not in the range"),
        ("attach", "Missing argument 'ID'"),
        ("attach 'ses", "Check the quotes"),
        ("status now", "unexpected extra argument"),
    ],
)
def test_mistakes_are_named_and_send_nothing(
    driver: KernelDriver, sent: CountingProxy, line: str, complaint: str
) -> None:
    answer = driver.run(f"%tci {line}\nprint('not reached')")
    assert answer.reply["ename"] == "UsageError"
    assert complaint in answer.reply["evalue"]
    assert answer.text() == ""
    assert sent.taken() == []


def test_help_is_for_the_group_and_for_each_command(
    driver: KernelDriver, sent: CountingProxy
) -> None:
    text = driver.run("%tci --help").text()
    commands = re.findall(r"^  (\w+)  ", text.partition("Commands:")[2], re.MULTILINE)
    assert {"status", "sessions", "new", "attach", "replay"} <= set(commands)
    for command in commands:
        said = driver.run(f"%tci {command} --help").text()
        assert said.startswith(f"Usage: %tci {command}")
        assert not re.search("INTEGER|FLOAT|TEXT|RANGE", said)
    assert sent.taken() == []


def test_commands_and_options_are_completed(driver: KernelDriver, sent: CountingProxy) -> None:
    reply = complete(driver, "%tci ")
    assert "status" in reply["matches"]
    assert all(text[0].isupper() and text[-1] == "." for text in described(reply))
    assert described(complete(driver, "%tci ls"))[0].startswith("List the session's files")
    reply = complete(driver, "x = 1\n%tci re")
    assert reply["matches"] == ["replay"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (11, 13)
    reply = complete(driver, "%tci replay --f")
    assert reply["matches"] == ["--from"]
    assert described(reply) == ["The first cell's number."]
    assert complete(driver, "%tci 'no such")["matches"] == []
    assert sent.taken() == []


def test_a_line_is_explained_where_the_cursor_is(driver: KernelDriver, sent: CountingProxy) -> None:
    code = "x = 1\n%tci upload data"
    for place in (len("x = 1\n%tci upl"), len(code)):
        reply = driver.reply(driver.client.inspect(code, place))["content"]
        assert reply["data"]["text/plain"] == driver.run("%tci help upload").text().rstrip("\n")
    assert not driver.reply(driver.client.inspect("%tci uplaod", 8))["content"]["found"]
    assert sent.taken() == []


def test_paths_are_completed_here_and_in_the_session(
    driver: KernelDriver, sent: CountingProxy, tmp_path: Path
) -> None:
    (tmp_path / "data file.csv").write_text("1")
    (tmp_path / "directory").mkdir()
    reply = complete(driver, f"%tci upload {tmp_path}/d")
    assert reply["matches"] == [f"'{tmp_path}/data file.csv'", f"{tmp_path}/directory/"]
    assert complete(driver, f"%tci upload '{tmp_path}/data f")["matches"] == reply["matches"][:1]
    for line in (f"%tci upload x --to={tmp_path}/d", f"%tci download x --to={tmp_path}/d"):
        reply = complete(driver, line)
        assert (reply["cursor_start"], reply["cursor_end"]) == (line.index("=") + 1, len(line))
    assert reply["matches"][1:] == [f"{tmp_path}/directory/"]
    assert complete(driver, "%tci rm r")["matches"] == []  # there is no session to ask
    assert sent.taken() == []
    driver.run("import pathlib\npathlib.Path('remote.txt').touch()")
    sent.taken()
    assert complete(driver, "%tci rm rem")["matches"] == ["remote.txt"]
    assert sent.executions() == 1


def test_names_of_variables_are_completed_on_either_side(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with (
        serving() as server,
        counted(server.base_url, without=EXTENSIONS) as sent,
        kernel("tci", TOGETHER_BASE_URL=sent.base_url, TOGETHER_API_KEY=TOKEN) as driver,
    ):
        process = psutil.Process(driver.pid)
        threads = process.num_threads()
        for line in ("push ", "pull ", "push x", "pull x"):
            assert complete(driver, f"%tci {line}")["matches"] == []
        assert sent.taken() == []  # there is no session to ask
        assert process.num_threads() == threads  # nor a local shell, which none is made for
        driver.run("%%local\nimport os\nlimits, label, _own = [1], 'a', 2\ndef load(): pass")
        assert process.num_threads() > threads
        reply = complete(driver, "%tci push limits l")
        assert reply["matches"] == ["label", "limits"]
        assert (reply["cursor_start"], reply["cursor_end"]) == (17, 18)
        assert complete(driver, "%tci push _o")["matches"] == ["_own"]
        assert sent.taken() == []
        driver.run("import sys\nrides, řada = {}, 1\nclass Ride: pass")
        sent.taken()
        assert complete(driver, "%tci pull ")["matches"] == ["rides", "řada"]
        assert sent.executions() == 1
        running = driver.client.execute(
            f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
        )
        until(sent.taken, "the long cell at the service")
        assert complete(driver, "%tci pull ")["matches"] == []  # the session is not free
        assert sent.taken() == []
        gate.touch()
        assert driver.finish(running).reply["status"] == "ok"
        assert complete(driver, "%tci pull ri")["matches"] == ["rides"]


def test_without_a_key_a_command_that_needs_one_asks_for_it_and_headless_says_so() -> None:
    with kernel("tci") as driver:
        assert driver.run("%tci sessions").reply["ename"] == "MissingKey"
        assert driver.run("%tci --help").reply["status"] == "ok"


def settings_of(driver: KernelDriver) -> dict[str, list[str]]:
    """What `%tci config` shows: of each setting the value, and where that comes from."""
    html = driver.run("%tci config").only("display_data")["data"]["text/html"]
    rows = [re.findall(">([^<]*)</td>", row) for row in html.split("</tr>")]
    return {row[0]: row[1:] for row in rows if row}


def test_the_settings_are_shown_with_where_they_come_from(tmp_path: Path) -> None:
    config = tmp_path / "tci_kernel_config.py"
    config.write_text("c.RemoteSession.retry_for = 7\n")
    with kernel(
        "tci",
        "--RemoteSession.on_expiry=replay",
        TOGETHER_API_KEY="a-secret-key",
        JUPYTER_CONFIG_PATH=str(tmp_path),
    ) as driver:
        settings = settings_of(driver)
    assert settings["RemoteSession.on_expiry"] == ["replay", "command line"]
    assert settings["RemoteSession.retry_for"] == ["7", str(config)]
    assert settings["RemoteSession.use_helper"] == ["True", "default"]
    assert settings["TCIClient.api_key"] == ["set", "environment variable TOGETHER_API_KEY"]
    assert "a-secret-key" not in str(settings)


def test_the_address_of_an_embedded_service_is_shown_as_what_is_in_force() -> None:
    with kernel("tci-local", TOGETHER_BASE_URL="http://elsewhere/v1") as driver:
        settings = settings_of(driver)
        address, source = settings["TCIClient.base_url"]
        assert address in shown(driver.run("%tci status"))
    assert source == settings["TCIClient.api_key"][1] == "TCIKernel.local"
    assert settings["TCIKernel.local"] == ["True", "command line"]


def test_help_lists_the_commands_with_their_arguments(driver: KernelDriver) -> None:
    text = shown(driver.run("%tci help"))
    assert re.search(r"^%tci attach ID +Run the next cells in the session ID", text, re.MULTILINE)
    assert "%%local" in text
    details = driver.run("%tci attach --help").text()
    for line in ("%tci help attach", "%tci attach?", "%tci attach??"):
        assert driver.run(line).text() == details
    for line in ("%tci?", "%tci??", "?%tci", "%%tci?"):
        assert shown(driver.run(line)) == text
    assert "No such command 'atach'" in driver.run("%tci help atach").reply["evalue"]
    assert complete(driver, "%tci help at")["matches"] == ["attach"]
    assert all(len(line) < 90 for line in text.splitlines())
