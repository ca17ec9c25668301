"""Faults as somebody in front of a notebook sees them, through a real kernel process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.conftest import Scripted
from tests.support.faulty import (
    SESSION,
    Action,
    FaultyServer,
    answer,
    faulty_server,
    http,
    late,
    listing,
    stall,
)
from tests.support.kernels import BARE, Answer, KernelDriver, Message, kernel
from tests.support.servers import serving
from tests.support.waiting import PATIENCE, until

KEY = "tk-0123456789-not-a-real-key-9876543210"

BUSY = http(429, json.dumps({"error": {"message": "slow down"}}), Retry_After="2")


def notices(cell: Answer) -> list[str]:
    """The texts that were shown and wiped again."""
    return [
        content["data"]["text/plain"]
        for kind, content in cell.outputs
        if kind in ("display_data", "update_display_data")
    ]


def kept(cell: Answer) -> list[tuple[str, dict[str, Any]]]:
    """The outputs that a saved notebook has."""
    outputs = cell.outputs
    cleared = [i for i, (kind, _) in enumerate(outputs) if kind == "clear_output"]
    return outputs[cleared[-1] + 1 :] if cleared else outputs


def test_a_wait_is_shown_and_wiped(scripted: Scripted) -> None:
    driver, service = scripted
    service.play(BUSY, answer(("stdout", "done")))
    cell = driver.run("x", allow_stdin=True)
    shown = notices(cell)
    assert "slow down" in shown[0]
    assert "Trying again in 2 s" in shown[0]
    assert [content for _, content in kept(cell)] == [{"name": "stdout", "text": "done"}]
    assert len(service.executions) == 2


def run_until_noticed(scripted: Scripted, code: str, then: Action, *before: Action) -> Answer:
    """Run a cell whose answer comes once it is said how long it runs, after other answers."""
    driver, service = scripted
    go = threading.Event()
    service.play(*before, stall(go, then))
    running = driver.client.execute(code, allow_stdin=True)
    seen: list[Message] = []

    def is_notice(message: Message) -> bool:
        seen.append(message)
        return "Running for 3 s" in str(message["content"].get("data"))

    driver.until_published(running, is_notice, "notice of a long cell")
    go.set()
    ended = driver.finish(running)
    return replace(ended, published=[*seen, *ended.published])


def test_a_long_cell_shows_its_time_and_wipes_it(scripted: Scripted) -> None:
    cell = run_until_noticed(scripted, "x", answer(("stdout", "done")))
    assert notices(cell)[0] == "Running for 3 s"
    assert [content for _, content in kept(cell)] == [{"name": "stdout", "text": "done"}]


def test_what_a_cell_showed_before_a_notice_stays(scripted: Scripted) -> None:
    driver, service = scripted
    service.play(answer())
    driver.run("begun")  # of a session, each status asks for the files
    code = "%tci status\n%tci status\nx"
    cell = run_until_noticed(scripted, code, answer(("stdout", "done")), answer(), answer())
    assert "Running for 3 s" in notices(cell)
    assert cell.outputs[-4][1] == {"wait": True}  # the old outputs stay until these are there
    first, second, last = kept(cell)
    assert first[0] == second[0] == "display_data"
    assert service.base_url in first[1]["data"]["text/plain"]
    assert last[1] == {"name": "stdout", "text": "done"}


def test_the_word_of_an_expiry_stays_when_the_cells_are_replayed(service: FaultyServer) -> None:
    where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": "key"}
    with kernel("tci", BARE, "--RemoteSession.on_expiry=replay", **where) as driver:
        service.play(answer())
        driver.run("a = 1")
        service.play(http(404, "{}"), answer(session_id="ses_" + "d" * 21))
        service.listed = listing()
        cell = driver.run("a", allow_stdin=True)
    assert notices(cell) == ["Running cell 1 of 1 again"]
    told = [content["text"] for _, content in kept(cell)]
    assert "has expired" in told[0]
    assert told[1] == "In a new session, cells were run again: 1.\n"


def test_a_long_cell_without_output_leaves_nothing(scripted: Scripted) -> None:
    cell = run_until_noticed(scripted, "x", answer())
    assert notices(cell)
    assert kept(cell) == []


def test_headless_runs_show_no_notices(scripted: Scripted) -> None:
    driver, service = scripted
    service.play(BUSY, late(3.5, answer(("stdout", "done"))))
    cell = driver.run("x")
    assert [kind for kind, _ in cell.outputs] == ["stream"]


def test_an_interrupt_ends_a_wait_at_once_and_wipes_it(scripted: Scripted) -> None:
    driver, service = scripted
    service.play(http(429, "{}", Retry_After="50"), answer())
    running = driver.client.execute("x", allow_stdin=True)
    driver.until_published(
        running, lambda message: "Trying again" in str(message["content"]), "notice of a wait"
    )
    start = time.monotonic()
    driver.interrupt()
    cell = driver.finish(running)
    assert time.monotonic() - start < 10
    assert [kind for kind, _ in kept(cell)] == ["error"]
    assert cell.reply["ename"] == "KeyboardInterrupt"
    assert len(service.executions) == 1
    assert driver.run("y").reply["status"] == "ok"


def test_an_interrupt_while_a_killed_server_is_tried_again_says_that_nothing_was_sent() -> None:
    with serving() as server:
        where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
        with kernel("tci", BARE, **where) as driver:
            assert driver.run("x = 1").reply["status"] == "ok"
            server.process.kill()
            server.process.wait(PATIENCE)
            running = driver.client.execute("x", allow_stdin=True)
            driver.until_published(
                running, lambda message: "Trying again" in str(message["content"]), "a pause"
            )
            driver.interrupt()
            reply = driver.finish(running).reply
    assert reply["ename"] == "KeyboardInterrupt"
    assert "did not run" in reply["evalue"]
    assert "may still be running" not in reply["evalue"]


def test_a_wait_that_is_too_long_for_a_cell_says_how_long_it_is(scripted: Scripted) -> None:
    driver, service = scripted
    service.play(http(429, "{}", Retry_After="3600"), answer())
    cell = driver.run("x", allow_stdin=True)
    said = " ".join(cell.reply["evalue"].split())
    assert cell.reply["ename"] == "RateLimited"
    assert "The code did not run. The service asks to wait for 1 h 0 min" in said
    assert "RemoteSession.retry_for (60 s)" in said
    assert max(map(len, cell.reply["traceback"][0].splitlines())) < 90
    assert notices(cell) == []
    assert len(service.executions) == 1


def test_cells_stay_replayable_after_another_session_is_begun(scripted: Scripted) -> None:
    driver, service = scripted
    service.play(answer())
    driver.run("kept_1 = 1")
    driver.run("%tci new")
    driver.run("%tci new")
    driver.run("kept_2 = 2")
    driver.run("%tci new")
    service.play(answer())
    assert driver.run("%tci replay").reply["status"] == "ok"
    sent = [request.json() for request in service.executions]
    assert [body["code"] for body in sent][-2:] == ["kept_1 = 1", "kept_2 = 2"]
    assert "session_id" not in sent[0]


def test_an_interrupt_drops_the_request_and_aborts_what_is_queued(scripted: Scripted) -> None:
    driver, service = scripted
    hung_up = threading.Event()

    def wait_for_the_end(connection: socket.socket) -> None:
        if connection.recv(1) == b"":
            hung_up.set()

    service.play(wait_for_the_end, answer())
    running = driver.client.execute("first")
    queued = [driver.client.execute(f"queued {i}") for i in range(3)]
    until(lambda: service.executions, "a cell at the service")
    for _ in range(2):
        driver.interrupt()
    assert driver.finish(running).reply["ename"] == "KeyboardInterrupt"
    assert hung_up.wait(PATIENCE)
    for msg_id in queued:
        assert driver.finish(msg_id).reply["status"] == "aborted"
    assert [request.json()["code"] for request in service.executions] == ["first"]
    assert driver.run("next").reply["status"] == "ok"


def test_cells_queued_behind_an_interrupted_one_go_on_where_errors_do_not_stop(
    scripted: Scripted,
) -> None:
    driver, service = scripted
    service.play(stall(threading.Event()), answer(("stdout", "on")))
    running = driver.client.execute("first", stop_on_error=False)
    queued = driver.client.execute("second")
    until(lambda: service.executions, "a cell at the service")
    driver.interrupt()
    assert driver.finish(running).reply["ename"] == "KeyboardInterrupt"
    assert driver.finish(queued).text() == "on"


@pytest.mark.parametrize("restart", [False, True])
def test_a_shutdown_while_the_network_hangs_is_quick(restart: bool) -> None:
    with (
        faulty_server([stall(threading.Event())]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        driver.client.execute("x")
        until(lambda: service.executions, "a cell at the service")
        process = psutil.Process(driver.manager.provisioner.pid)  # type: ignore[union-attr]
        start = time.monotonic()
        driver.control("shutdown_request", {"restart": restart})
        assert time.monotonic() - start < 5  # the network hangs for longer
        process.wait(5)
        assert len(service.executions) == 1


def test_a_stopped_process_goes_on_where_it_was(scripted: Scripted) -> None:
    """As after a closed lid: all clocks jump while a cell waits."""
    driver, service = scripted
    go = threading.Event()
    service.play(stall(go, answer(("stdout", "still there"))))
    running = driver.client.execute("x")
    until(lambda: service.executions, "a cell at the service")
    process = psutil.Process(driver.manager.provisioner.pid)  # type: ignore[union-attr]
    process.suspend()
    go.set()
    time.sleep(2)  # which is what is tested
    process.resume()
    assert driver.finish(running).text() == "still there"


def test_a_missing_key_is_asked_for_kept_in_memory_and_asked_for_again_if_wrong() -> None:
    with (
        faulty_server([http(401, "{}"), answer(("stdout", "in"))]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url) as driver,
    ):
        assert driver.run("x").reply["ename"] == "MissingKey"
        assert service.requests == []
        wrong = answer_prompt(driver, driver.client.execute("x", allow_stdin=True), "wrong")
        assert wrong.reply["ename"] == "AuthenticationFailed"
        right = answer_prompt(driver, driver.client.execute("x", allow_stdin=True), KEY)
        assert right.text() == "in"
        about = right.only("display_data")["data"]["text/plain"]
        assert f"sessions at {service.base_url}, which takes a key" in about
        assert "stays in this process's memory" in about
        assert driver.run("y").text() == "in"
        sent = [request.headers["authorization"] for request in service.executions]
        assert sent == ["Bearer wrong", f"Bearer {KEY}", f"Bearer {KEY}"]
        empty = json.dumps([cell.published for cell in (wrong, right)], default=str)
        assert KEY not in empty


@pytest.mark.parametrize("price", [None, 0.03])
def test_who_is_asked_for_a_key_reads_where_one_is_made_and_what_it_costs(
    price: float | None,
) -> None:
    options = [] if price is None else [f"--RemoteSession.session_price={price}"]
    with kernel("tci", *options) as driver:
        waiting = driver.client.execute("x", allow_stdin=True)
        driver.client.get_stdin_msg(timeout=PATIENCE)
        driver.interrupt()  # nothing is to be sent
        text = driver.finish(waiting).only("display_data")["data"]["text/plain"]
    assert "Together, which bills each." in text
    assert "https://api.together.ai/settings/api-keys" in text
    assert ("A session costs 0.03" in text) == (price is not None)
    assert max(map(len, text.splitlines())) <= 88


def answer_prompt(driver: KernelDriver, msg_id: str, text: str) -> Answer:
    request = driver.client.get_stdin_msg(timeout=PATIENCE)
    assert request["content"] == {"prompt": "API key: ", "password": True}
    driver.client.input(text)
    return driver.finish(msg_id)


def test_a_typed_key_that_is_wrong_is_forgotten_and_the_error_says_so() -> None:
    with (
        faulty_server([http(401, "{}"), answer(("stdout", "in"))]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url) as driver,
    ):
        for wrong in ("two words", "wrong"):  # one that can't be a key, one that is refused
            cell = answer_prompt(driver, driver.client.execute("x", allow_stdin=True), wrong)
            assert "You typed it, and it is forgotten" in cell.reply["evalue"]
        right = answer_prompt(driver, driver.client.execute("x", allow_stdin=True), KEY)
        assert right.text() == "in"
        sent = [request.headers["authorization"] for request in service.executions]
        assert sent == ["Bearer wrong", f"Bearer {KEY}"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_said_with_where_it_came_from(tmp_path: Path, status: int) -> None:
    config = tmp_path / "tci_kernel_config.py"
    with faulty_server([http(status, "{}")]) as service:
        service.listed = http(status, "{}")
        where = {"TOGETHER_BASE_URL": service.base_url, "JUPYTER_CONFIG_PATH": str(tmp_path)}
        with kernel("tci", BARE, TOGETHER_API_KEY=KEY, **where) as driver:
            said = driver.run("x", allow_stdin=True).reply
        config.write_text(f"c.TCIClient.api_key = {KEY!r}\n")
        with kernel("tci", BARE, **where) as driver:
            configured = driver.run("x", allow_stdin=True).reply
    assert said["ename"] == configured["ename"] == "AuthenticationFailed"
    text, configured_text = (" ".join(reply["evalue"].split()) for reply in (said, configured))
    assert "from the environment variable TOGETHER_API_KEY: correct that" in text
    assert "TCIClient.api_key of tci_kernel_config.py" in configured_text
    assert KEY not in str([said, configured])


def test_a_prompt_can_be_interrupted_or_left_empty() -> None:
    with (
        faulty_server([answer()]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url) as driver,
    ):
        waiting = driver.client.execute("x", allow_stdin=True)
        driver.client.get_stdin_msg(timeout=PATIENCE)
        driver.interrupt()
        stopped = driver.finish(waiting).reply
        assert stopped["ename"] == "KeyboardInterrupt"
        assert stopped["evalue"] == "nothing was sent: there is no key."
        empty = answer_prompt(driver, driver.client.execute("x", allow_stdin=True), "")
        assert empty.reply["ename"] == "MissingKey"
        assert service.requests == []


def test_a_session_can_be_attached_to_at_the_start() -> None:
    other = "ses_" + "c" * 21
    with faulty_server([answer(("stdout", "there"), session_id=SESSION)]) as service:
        where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": "key"}
        with kernel("tci", BARE, f"--session={SESSION}", **where) as driver:
            assert driver.run("x").text() == "there"
        with kernel("tci", BARE, TCI_SESSION_ID=other, **where) as driver:
            service.play(http(404, "{}"))
            cell = driver.run("x")
            assert cell.reply["ename"] == "SessionExpired"
            assert other in cell.reply["evalue"]
        assert service.executions[-1].json()["session_id"] == other


def test_replay_is_a_line_in_the_notebook(scripted: Scripted) -> None:
    driver, service = scripted
    service.play(answer())
    driver.run("%tci new")  # whatever other tests left
    driver.run("begun")
    service.play(http(404, "{}"), answer(session_id="ses_" + "d" * 21))
    service.listed = listing()
    expired = driver.run("x")
    assert expired.reply["ename"] == "SessionExpired"
    service.play(answer(("stdout", "ran"), session_id="ses_" + "d" * 21))
    cell = driver.run("%tci replay\nprint('mine')")
    assert cell.reply["status"] == "ok"
    assert cell.text() == "ran"
    assert "run again: " in cell.only("display_data")["data"]["text/plain"]
    # A comment stands for the line, so that tracebacks name the lines of the cell.
    assert service.executions[-1].json()["code"] == "#\nprint('mine')"
    assert driver.run("%tci reply").reply["ename"] == "UsageError"
    assert driver.run("%tcix").reply["status"] == "ok"
    assert service.executions[-1].json()["code"] == "%tcix"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
outputs = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(
                ["stdout", "stderr", "error", "display_data", "execute_result", "odd", None]
            ),
            "data": json_values,
        },
    )
)
bodies = st.binary() | st.one_of(
    json_values.map(json.dumps),
    st.fixed_dictionaries({"data": json_values, "errors": json_values}).map(json.dumps),
    outputs.map(
        lambda items: json.dumps(
            {"data": {"session_id": SESSION, "outputs": items}, "errors": None}
        )
    ),
).map(str.encode)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=bodies, status=st.sampled_from([200, 200, 200, 400, 500]))
def test_whatever_arrives_costs_neither_a_reply_nor_the_kernel(
    scripted: Scripted, body: bytes, status: int
) -> None:
    driver, service = scripted
    service.listed = listing(SESSION)
    service.play(http(status, body))
    cell = driver.run("x")
    errors = [content for kind, content in cell.outputs if kind == "error"]
    assert len(errors) == (1 if cell.reply["status"] == "error" else 0)
    assert len(service.executions) == 1


def test_nothing_has_the_key_or_the_code_in_it(tmp_path: Path) -> None:
    """Neither the log at debug level, nor the messages, nor the list of processes."""
    code = "a_very_private_name = 'and its value'"
    log = tmp_path / "log"
    with faulty_server([answer(), http(500, ""), http(401, "{}"), answer()]) as service:
        script = (
            "import sys; from tests.support.kernels import BARE, kernel\n"
            "with kernel('tci', '--debug', BARE, TOGETHER_API_KEY=sys.argv[1],\n"
            "            TOGETHER_BASE_URL=sys.argv[2]) as driver:\n"
            "    for _ in range(4):\n"
            "        print(driver.run(sys.argv[3]).published)\n"
            "    import psutil\n"
            "    print(psutil.Process(driver.manager.provisioner.pid).cmdline())\n"
        )
        with log.open("wb") as file:
            subprocess.run(
                [sys.executable, "-c", script, KEY, service.base_url, code],
                stdout=file,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=120,
            )
        text = log.read_text()
        assert service.executions[0].headers["authorization"] == f"Bearer {KEY}"
        assert "[TCIKernelApp] Terminated zmq context" in text  # logged at debug level
        assert KEY not in text
        logged = [line for line in text.splitlines() if "TCIKernelApp" in line]
        assert not [line for line in logged if "a_very_private_name" in line]


def test_a_dead_peer_is_noticed_by_keep_alive(service: FaultyServer) -> None:
    """Linux shows in /proc/net/tcp which timer runs on a connection: 2 is keep-alive."""
    go = threading.Event()
    service.play(stall(go, answer()))
    with kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver:
        running = driver.client.execute("x")
        until(lambda: service.executions, "a cell at the service")
        port = int(service.base_url.rsplit(":", 1)[1].split("/")[0])
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = [row for row in rows if row[2] == f"0100007F:{port:04X}" and row[3] == "01"]
        assert ours
        assert all(row[5].startswith("02:") for row in ours)
        go.set()
        driver.finish(running)


def test_sigterm_ends_the_kernel_while_a_cell_waits() -> None:
    with (
        faulty_server([stall(threading.Event())]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        driver.client.execute("x")
        until(lambda: service.executions, "a cell at the service")
        process = psutil.Process(driver.manager.provisioner.pid)  # type: ignore[union-attr]
        os.kill(process.pid, signal.SIGTERM)
        process.wait(5)


def test_interrupts_during_a_shutdown_are_harmless() -> None:
    with (
        faulty_server([stall(threading.Event())]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        driver.client.execute("x")
        until(lambda: service.executions, "a cell at the service")
        process = psutil.Process(driver.manager.provisioner.pid)  # type: ignore[union-attr]
        # Many, so that some are answered while the kernel's threads are ending.
        for kind, content in (
            ("interrupt_request", {}),
            ("shutdown_request", {"restart": False}),
            *[("interrupt_request", {})] * 100,
        ):
            driver.client.control_channel.send(driver.client.session.msg(kind, content))
        os.kill(process.pid, signal.SIGINT)
        process.wait(5)
        assert driver.manager.provisioner.process.wait(5) == 0  # type: ignore[union-attr]
        assert len(service.executions) == 1
