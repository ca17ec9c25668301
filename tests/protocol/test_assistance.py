"""Completion, inspection and history, with a session and without, and beside a running cell."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from tests.support.faulty import answer, faulty_server, stall
from tests.support.kernels import BARE, KernelDriver, kernel
from tests.support.waiting import received, until


def test_names_of_the_session_are_completed(helped: KernelDriver) -> None:
    helped.run("remote_name = {'a_key': 1}\nclass Thing: attribute = 1\nthing = Thing()")
    assert helped.complete("remote_na")["matches"] == ["remote_name"]
    assert helped.complete("thing.attr")["matches"] == ["attribute"]
    assert "a_key" in str(helped.complete("remote_name['")["matches"])


def test_positions_are_counted_in_code_points(helped: KernelDriver) -> None:
    helped.run("remote_name = 1")
    reply = helped.complete("'\U0001f600ü'; remote_na")
    assert (reply["cursor_start"], reply["cursor_end"]) == (6, 15)
    (match,) = reply["metadata"]["_jupyter_types_experimental"]
    assert (match["text"], match["start"], match["end"]) == ("remote_name", 6, 15)


def test_names_of_the_session_are_inspected(helped: KernelDriver) -> None:
    helped.run("def helpful(a, b=2):\n    'Helps a lot.'\n    return a")
    short, whole = helped.inspect("helpful(", 0), helped.inspect("helpful(", 1)
    assert short["found"]
    assert "Helps a lot." in short["data"]["text/plain"]
    assert "return" not in short["data"]["text/plain"]
    assert "return" in whole["data"]["text/plain"]
    unknown = helped.reply(helped.client.inspect("no_such_name"))["content"]
    assert unknown["found"] is False


def test_without_a_session_the_notebooks_own_code_is_completed_and_nothing_is_sent() -> None:
    with (
        faulty_server([answer()]) as service,
        kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        assert "splitlines" in driver.complete("text = ''\ntext.splitl")["matches"]
        assert driver.inspect("len")["found"]
        assert service.requests == []


def test_nothing_waits_for_a_running_cell() -> None:
    go = threading.Event()
    with (
        faulty_server([answer(), stall(go, answer(("stdout", "done")))]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        driver.run("earlier_name = 1")
        running = driver.client.execute("long()")
        until(lambda: len(service.executions) == 2, "the long cell at the service")
        assert "earlier_name" in driver.complete("earlier_na")["matches"]
        assert driver.inspect("earlier_name")["status"] == "ok"
        is_complete = driver.reply(driver.client.is_complete("for i in x:"))
        assert is_complete["content"]["status"] == "incomplete"
        history = driver.reply(driver.client.history(hist_access_type="tail", n=5))
        assert history["content"]["history"][-1][2] == "earlier_name = 1"
        assert len(service.executions) == 2
        # VS Code, reattached, takes its reply for the end of the cell.
        info = driver.client.kernel_info()
        go.set()
        answered = driver.finish(running)
        assert answered.text() == "done"
        told = driver.reply(info)["content"]
        assert told["status"] == "ok"
        assert "%tci help" in told["banner"]
        assert all(link["url"].startswith("https://") for link in told["help_links"])
        links = [link["text"] for link in told["help_links"]]
        assert links == ["Together Code Interpreter", "Python Reference", "IPython Reference"]


def test_a_request_beside_a_running_cell_leaves_the_kernel_busy() -> None:
    with kernel("tci-local") as driver:
        running = driver.client.execute("import time\nfor i in range(40): time.sleep(0.05)")
        status(driver, ("busy", running))
        # Whoever shows the last status that they hear of shows *busy* until the cell has ended.
        for ask in (driver.client.complete, driver.client.inspect):
            beside = ask("ti")
            driver.reply(beside)
            status(driver, ("idle", beside))
            assert status(driver) == ("busy", running)
        beside = driver.control("kernel_info_request", {})["parent_header"]["msg_id"]
        status(driver, ("idle", beside))
        assert status(driver) == ("busy", running)
        assert status(driver) == ("idle", running)


def status(driver: KernelDriver, wanted: tuple[str, str] | None = None) -> tuple[str, str]:
    """The next status, and the request that it belongs to; or the one that is wanted."""
    states = (
        (message["content"]["execution_state"], message["parent_header"]["msg_id"])
        for message in received(driver.client.get_iopub_msg, f"status {wanted}")
        if message["msg_type"] == "status"
    )
    return next(state for state in states if wanted in (None, state))


def test_history_outlives_the_kernel(tmp_path: Path) -> None:
    with kernel("tci-local", JUPYTER_DATA_DIR=str(tmp_path)) as driver:
        driver.run("first = 1")
        driver.run("hidden = 1", store_history=False)
        driver.run("second = 2")
    with kernel("tci-local", JUPYTER_DATA_DIR=str(tmp_path)) as driver:
        tail = driver.reply(driver.client.history(hist_access_type="tail", n=10))
        assert [row[2] for row in tail["content"]["history"]] == ["first = 1", "second = 2"]


def test_a_kernel_that_is_killed_has_saved_its_cells(tmp_path: Path) -> None:
    path = tmp_path / "tci_kernel" / "history.sqlite"
    with kernel("tci-local", JUPYTER_DATA_DIR=str(tmp_path)) as driver:
        driver.run("kept = 1")
        until(lambda: path.exists() and saved(path), "a saved cell")
        os.kill(driver.pid, signal.SIGKILL)
    assert saved(path) == ["kept = 1"]


def saved(path: Path) -> list[str]:
    """The cells that are in a database now."""
    with closing(sqlite3.connect(path)) as database:
        try:
            return [code for (code,) in database.execute("SELECT source_raw FROM history")]
        except sqlite3.OperationalError:  # it is being made
            return []
