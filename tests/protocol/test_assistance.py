"""Completion, inspection and history, with a session and without, and beside a running cell."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from tests.support.faulty import answer, faulty_server, stall
from tests.support.kernels import BARE, KernelDriver, kernel


def complete(driver: KernelDriver, code: str) -> dict[str, Any]:
    """What is completed, as a user sees it who types on: an answer in time may be an empty one."""
    for _ in range(20):
        content: dict[str, Any] = driver.reply(driver.client.complete(code))["content"]
        if content["matches"]:
            break
    return content


def inspect(driver: KernelDriver, code: str, detail: int = 0) -> dict[str, Any]:
    message = driver.client.inspect(code, detail_level=detail)
    content: dict[str, Any] = driver.reply(message)["content"]
    return content


def test_names_of_the_session_are_completed(helped: KernelDriver) -> None:
    helped.run("remote_name = {'a_key': 1}\nclass Thing: attribute = 1\nthing = Thing()")
    assert complete(helped, "remote_na")["matches"] == ["remote_name"]
    assert complete(helped, "thing.attr")["matches"] == ["attribute"]
    assert "a_key" in str(complete(helped, "remote_name['")["matches"])


def test_positions_are_counted_in_code_points(helped: KernelDriver) -> None:
    helped.run("remote_name = 1")
    reply = complete(helped, "'\U0001f600ü'; remote_na")
    assert (reply["cursor_start"], reply["cursor_end"]) == (6, 15)
    (match,) = reply["metadata"]["_jupyter_types_experimental"]
    assert (match["text"], match["start"], match["end"]) == ("remote_name", 6, 15)


def test_names_of_the_session_are_inspected(helped: KernelDriver) -> None:
    helped.run("def helpful(a, b=2):\n    'Helps a lot.'\n    return a")
    short, whole = inspect(helped, "helpful(", 0), inspect(helped, "helpful(", 1)
    assert short["found"]
    assert "Helps a lot." in short["data"]["text/plain"]
    assert "return" not in short["data"]["text/plain"]
    assert "return" in whole["data"]["text/plain"]
    assert inspect(helped, "no_such_name")["found"] is False


def test_without_a_session_the_notebooks_own_code_is_completed_and_nothing_is_sent() -> None:
    with (
        faulty_server([answer()]) as service,
        kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        assert "splitlines" in complete(driver, "text = ''\ntext.splitl")["matches"]
        assert inspect(driver, "len")["found"]
        assert service.requests == []


def test_nothing_waits_for_a_running_cell() -> None:
    go = threading.Event()
    with (
        faulty_server([answer(), stall(go, answer(("stdout", "done")))]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        driver.run("earlier_name = 1")
        running = driver.client.execute("long()")
        while len(service.executions) < 2:
            time.sleep(0.01)
        assert "earlier_name" in complete(driver, "earlier_na")["matches"]
        assert inspect(driver, "earlier_name")["status"] == "ok"
        is_complete = driver.reply(driver.client.is_complete("for i in x:"))
        assert is_complete["content"]["status"] == "incomplete"
        history = driver.reply(driver.client.history(hist_access_type="tail", n=5))
        assert history["content"]["history"][-1][2] == "earlier_name = 1"
        driver.reply(driver.client.kernel_info())
        assert len(service.executions) == 2
        go.set()
        assert driver.finish(running).text() == "done"


def test_history_outlives_the_kernel(tmp_path: Path) -> None:
    with kernel("tci-local", JUPYTER_DATA_DIR=str(tmp_path)) as driver:
        driver.run("first = 1")
        driver.run("hidden = 1", store_history=False)
        driver.run("second = 2")
    with kernel("tci-local", JUPYTER_DATA_DIR=str(tmp_path)) as driver:
        tail = driver.reply(driver.client.history(hist_access_type="tail", n=10))
        assert [row[2] for row in tail["content"]["history"]] == ["first = 1", "second = 2"]
