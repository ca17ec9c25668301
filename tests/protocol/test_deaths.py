"""A session's interpreter that dies: one cell tells of it, the next runs in a new session."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.counting import CountingProxy, counted
from tests.support.kernels import DIRECT, KernelDriver, kernel, shown
from tests.support.servers import TOKEN, ServerProcess

WAYS = {
    "os._exit": ("import os; os._exit(1)", "exit status 1"),
    "exit": ("exit()", "exit status 0"),
    "SIGKILL": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
}


@pytest.fixture(scope="module")
def service(server: ServerProcess) -> Iterator[CountingProxy]:
    with counted(server.base_url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def driver(service: CountingProxy) -> Iterator[KernelDriver]:
    with kernel(
        "tci", DIRECT, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY=TOKEN
    ) as driver:
        yield driver


def codes(service: CountingProxy) -> list[str]:
    """The code of each request to run some, since the last call."""
    return [json.loads(body)["code"] for method, body in service.taken() if method == "POST"]


@pytest.mark.parametrize("way", WAYS)
def test_one_cell_tells_of_it_and_the_next_runs_in_a_new_session(
    driver: KernelDriver, service: CountingProxy, way: str
) -> None:
    code, said = WAYS[way]
    driver.run("%tci new")
    driver.run("lost = 1")
    service.taken()

    died = driver.run(code)
    assert died.reply["ename"] == died.only("error")["ename"] == "InterpreterDied"
    assert said in died.reply["evalue"]
    assert codes(service) == [code]

    on = driver.run("print('lost' in globals())")
    assert on.reply["status"] == "ok"
    assert on.outputs == [("stream", {"name": "stdout", "text": "False\n"})]
    assert on.count == died.count + 1
    # The helper, the number of the cell, and the cell.
    helper, number, cell = codes(service)
    assert helper.startswith("exec(")
    assert "set_count" in number
    assert cell == "print('lost' in globals())"


@pytest.mark.parametrize("way", WAYS)
def test_expressions_of_a_cell_that_dies_are_not_asked_for(
    driver: KernelDriver, service: CountingProxy, way: str
) -> None:
    driver.run("1")
    service.taken()
    died = driver.run(WAYS[way][0], user_expressions={"one": "1"})
    assert died.reply["status"] == "error"
    assert died.reply["user_expressions"] == {}
    assert len(codes(service)) == 1


def test_what_ran_before_can_be_replayed_also_after_another_beginning(
    driver: KernelDriver, service: CountingProxy
) -> None:
    driver.run("%tci new")
    driver.run("kept = 1")
    driver.run("exit()")
    assert "%tci replay" in shown(driver.run("%tci new"))
    service.taken()
    again = driver.run("%tci replay\nkept").only("execute_result")
    assert again["data"] == {"text/plain": "1"}
    assert "kept = 1" in codes(service)
