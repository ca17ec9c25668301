"""Sessions that end before their time: where the service can do that, and where it can't."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.server.service import Service
from tests.support.counting import EXTENSIONS, CountingProxy, counted
from tests.support.kernels import KernelDriver, kernel, shown
from tests.support.servers import TOKEN, serving
from tests.support.waiting import PATIENCE


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as server, Service(server.base_url, server.token) as service:
        yield service


@pytest.fixture
def where(service: Service) -> dict[str, str]:
    return {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": TOKEN}


def session_of(driver: KernelDriver) -> str:
    match = re.search(r"^Session +(ses_\w+)$", shown(driver.run("%tci status")), re.MULTILINE)
    assert match, "there is no session"
    return match[1]


def methods(proxy: CountingProxy) -> list[str]:
    return [method for method, _ in proxy.taken()]


def test_end_ends_the_session_and_the_next_cell_begins_another(
    service: Service, where: dict[str, str]
) -> None:
    with kernel("tci", **where) as driver:
        assert "There is no session" in shown(driver.run("%tci end"))
        driver.run("x = 1")
        old = session_of(driver)
        said = shown(driver.run("%tci end"))
        assert said.startswith(f"{old} has ended.")
        assert "%tci replay" in said
        assert old not in service.sessions()
        assert driver.run("x").reply["ename"] == "NameError"
        driver.run("%tci replay")
        assert driver.run("print(x)").text() == "1\n"
        assert session_of(driver) != old


def test_a_shutdown_ends_a_session_that_began_here(service: Service, where: dict[str, str]) -> None:
    with kernel("tci", **where) as driver:
        driver.run("x = 1")
        session_id = session_of(driver)
        assert session_id in service.sessions()
    assert session_id not in service.sessions()


def test_a_restart_keeps_it_and_the_shutdown_after_that_ends_it(
    service: Service, where: dict[str, str]
) -> None:
    with kernel("tci", **where) as driver:
        driver.run("open('kept', 'w').close()")
        session_id = session_of(driver)
        driver.manager.restart_kernel()
        driver.client.wait_for_ready(timeout=PATIENCE)
        assert driver.run("import os; print(os.listdir())").text() == "['kept']\n"
        assert session_id in service.sessions()
    assert session_id not in service.sessions()


def test_a_session_that_was_attached_to_outlives_the_kernel(
    service: Service, where: dict[str, str]
) -> None:
    session_id = service.run("x = 1").session_id
    with kernel("tci", **where, TCI_SESSION_ID=session_id) as driver:
        assert driver.run("print(x)").text() == "1\n"
        driver.manager.restart_kernel()
        driver.client.wait_for_ready(timeout=PATIENCE)
        driver.run("pass")
    assert session_id in service.sessions()


def test_a_service_that_does_not_say_that_it_can_is_not_asked(service: Service) -> None:
    with counted(service.base_url, without=EXTENSIONS) as proxy:
        there = {"TOGETHER_BASE_URL": proxy.base_url, "TOGETHER_API_KEY": TOKEN}
        with kernel("tci", **there) as driver:
            driver.run("x = 1")
            session_id = session_of(driver)
            error = driver.run("%tci end").only("error")
            assert "has no way to end a session" in error["evalue"]
            assert driver.run("print(x)").text() == "1\n"
        assert "DELETE" not in methods(proxy)
        assert session_id in service.sessions()


def test_a_service_that_does_not_answer_holds_no_shutdown_up(service: Service) -> None:
    with (
        serving() as gone,
        kernel("tci", TOGETHER_BASE_URL=gone.base_url, TOGETHER_API_KEY=TOKEN) as driver,
    ):
        driver.run("x = 1")
        gone.process.kill()
        gone.process.wait(PATIENCE)
