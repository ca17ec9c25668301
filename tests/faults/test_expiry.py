"""Sessions that end while nobody looks, at a real server that gives them seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.counting import CountingProxy, counted
from tests.support.kernels import DIRECT, KernelDriver, kernel
from tests.support.servers import TOKEN, ServerProcess, serving
from tests.support.vscode import HIDDEN
from tests.support.waiting import until

# Seconds of a session in which cells run live: the interpreter there has to start.
LIFETIME = 8


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("--session-lifetime", "3") as process:
        yield process


@pytest.fixture(scope="module")
def service(server: ServerProcess) -> Iterator[CountingProxy]:
    with counted(server.base_url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def remote(service: CountingProxy) -> Iterator[KernelDriver]:
    where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": TOKEN}
    with kernel("tci", DIRECT, **where) as driver:  # which has begun a session sooner
        yield driver


def sessions(server: ServerProcess) -> set[str]:
    listed = httpx.get(f"{server.base_url}/tci/sessions", headers=server.headers)
    return {session["id"] for session in listed.json()["data"]["sessions"]}


@pytest.fixture
def driver(remote: KernelDriver, service: CountingProxy, server: ServerProcess) -> KernelDriver:
    """A kernel whose session, with one cell run in it, has just ended."""
    remote.run("%tci new")
    before = sessions(server)
    assert remote.run("x = 1").reply["status"] == "ok"
    (begun,) = sessions(server) - before
    until(lambda: begun not in sessions(server), "the end of the session")
    service.taken()
    return remote


@pytest.mark.parametrize("line", ["ls", "download x", "push y"])
def test_a_line_that_meets_it_first_says_so_and_begins_no_other(
    driver: KernelDriver, service: CountingProxy, line: str
) -> None:
    driver.run("%%local\ny = 1")
    reply = driver.run(f"%tci {line}").reply
    assert reply["ename"] == "SessionExpired"
    assert service.executions() == 1
    assert driver.run("x").reply["ename"] == "NameError"


@pytest.mark.parametrize("line", ["%tci rm x", "%tci pull x", f"%tci upload {__file__}", "x"])
def test_what_hidden_code_met_is_said_by_the_first_cell_of_the_users(
    driver: KernelDriver, service: CountingProxy, line: str
) -> None:
    assert driver.run("x", **HIDDEN).reply["ename"] == "SessionExpired"
    assert driver.run("x", **HIDDEN).reply["status"] == "ok"  # and is not run
    status = driver.run("%tci status").only("display_data")["data"]["text/plain"]
    assert " has expired\n" in status  # this only shows how things are
    service.taken()
    assert driver.run(line).reply["ename"] == "SessionExpired"
    assert service.executions() == 0
    assert driver.run("x").reply["ename"] == "NameError"


def test_what_a_completion_met_is_said_too(driver: KernelDriver) -> None:
    assert driver.reply(driver.client.complete("%tci pull "))["content"]["matches"] == []
    assert driver.run("x").reply["ename"] == "SessionExpired"
    assert driver.run("x").reply["ename"] == "NameError"


def test_status_shows_it_and_who_begins_afresh_is_told_no_more(driver: KernelDriver) -> None:
    status = driver.run("%tci").only("display_data")["data"]["text/plain"]
    assert "(not listed: it has expired, or is another key's)" in status
    driver.run("x", **HIDDEN)
    assert driver.run("%tci new").reply["status"] == "ok"
    assert driver.run("x").reply["ename"] == "NameError"


def test_its_cells_can_be_replayed_after_other_things_began_another(
    driver: KernelDriver, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert "'%tci replay'" in driver.run("x").reply["evalue"]
    assert driver.run(f"%tci upload {tmp_path}/file").reply["status"] == "ok"
    said = driver.run("%tci replay\nx").outputs
    assert "cells were run again: " in said[0][1]["data"]["text/plain"]
    assert said[1][1]["data"]["text/plain"] == "1"


# -- live ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def longer() -> Iterator[ServerProcess]:
    with serving("--session-lifetime", str(LIFETIME)) as process:
        yield process


@pytest.fixture(scope="module")
def live(longer: ServerProcess) -> Iterator[KernelDriver]:
    where = {"TOGETHER_BASE_URL": longer.base_url, "TOGETHER_API_KEY": TOKEN}
    with kernel("tci", "--TCIKernel.execution=live", **where) as driver:
        yield driver


def test_a_live_session_that_ended_is_told_of_once_and_replaced(
    live: KernelDriver, longer: ServerProcess
) -> None:
    assert live.run("x = 1").reply["status"] == "ok"
    until(lambda: not sessions(longer), "the end of the session")
    failed = live.run("x").reply
    assert failed["ename"] == "SessionExpired"
    assert "the code did not run" in failed["evalue"]
    assert live.run("x").reply["ename"] == "NameError"


def test_a_live_session_that_ends_under_a_cell_keeps_what_that_has_shown(
    live: KernelDriver,
) -> None:
    live.run("%tci new")
    cell = live.run("import time\nprint('begun')\nwhile True: time.sleep(0.1)")
    assert cell.text() == "begun\n"
    assert cell.reply["ename"] == "SessionExpired"
    assert "the code may have run" in cell.reply["evalue"]
    assert live.run("print('new')").text() == "new\n"
