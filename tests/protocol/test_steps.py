"""Cells with `%tci` lines between their code, run live and directly."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.kernels import DIRECT, Answer, KernelDriver, kernel
from tests.support.servers import ServerProcess


@pytest.fixture(scope="module", params=["live", "direct"])
def driver(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[KernelDriver]:
    options = [DIRECT] if request.param == "direct" else []
    with kernel(
        "tci", *options, TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token
    ) as driver:
        yield driver


def kinds(answer: Answer) -> list[str]:
    return [kind for kind, _ in answer.outputs]


def number_of(driver: KernelDriver) -> int:
    """The number of the session's next cell but one, as the session has it."""
    number: int = driver.run("1").only("execute_result")["execution_count"]
    return number + 1


def test_code_and_commands_run_in_their_order_under_one_number(driver: KernelDriver) -> None:
    number = number_of(driver)
    answer = driver.run(
        "from pathlib import Path\n5\nprint('made', Path('a.txt').write_text('x'))\n"
        "%tci ls\nprint('listed')\n%tci rm a.txt\nPath('a.txt').exists()"
    )
    assert kinds(answer) == ["stream", "display_data", "stream", "display_data", "execute_result"]
    assert "a.txt" in answer.outputs[1][1]["data"]["text/plain"]
    assert answer.outputs[-1][1]["data"]["text/plain"] == "False"
    assert answer.outputs[-1][1]["execution_count"] == number
    assert answer.count == answer.reply["execution_count"] == number
    assert number_of(driver) == number + 2


def test_nothing_but_the_end_of_a_cell_is_its_value(driver: KernelDriver) -> None:
    assert kinds(driver.run("5\n%tci ls\n")) == ["display_data"]
    assert kinds(driver.run("%tci ls\n5")) == ["display_data", "execute_result"]


def test_where_a_part_fails_what_is_below_it_does_not_run(driver: KernelDriver) -> None:
    number = number_of(driver)
    answer = driver.run("x = 1\nx / 0\n%tci ls\nx = 2")
    assert kinds(answer) == ["error"]
    assert answer.reply["ename"] == "ZeroDivisionError"
    assert answer.reply["execution_count"] == number
    assert driver.run("x").only("execute_result")["data"]["text/plain"] == "1"
    assert driver.run("x = 3\n%tci statsu\nx = 4").reply["ename"] == "UsageError"
    result = driver.run("x").only("execute_result")
    assert (result["data"]["text/plain"], result["execution_count"]) == ("3", number + 3)


def test_lines_keep_their_numbers_in_tracebacks(driver: KernelDriver) -> None:
    answer = driver.run("x = 1\n%tci ls\n\n1 / 0")
    plain = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(answer.only("error")["traceback"]))
    assert f"Cell In[{answer.count}], line 4" in plain


def test_what_the_session_keeps_of_a_cell_has_its_number(driver: KernelDriver) -> None:
    cell = driver.run("x = 1\n%tci ls\n'the value'")
    found = driver.run(f"In[-2][-12:], Out[{cell.count}]").only("execute_result")
    assert found["data"]["text/plain"] == r"""("\n'the value'", 'the value')"""


def test_the_payload_of_each_part_arrives(driver: KernelDriver) -> None:
    answer = driver.run("x = 1\nx?\n%tci ls\nx = 2")
    assert [item["source"] for item in answer.reply["payload"]] == ["page"]


def test_commands_stand_between_the_lines_of_a_local_cell_too(driver: KernelDriver) -> None:
    answer = driver.run("%%local\nlimit = 7\n%tci push limit\nlimit + 1")
    assert kinds(answer) == ["display_data", "execute_result"]
    assert answer.outputs[-1][1]["data"]["text/plain"] == "8"
    assert answer.reply["execution_count"] == answer.count
    assert driver.run("limit").only("execute_result")["data"]["text/plain"] == "7"


def test_a_new_session_may_begin_in_the_middle(driver: KernelDriver) -> None:
    answer = driver.run("x = 'old'\n%tci new\n'x' in globals()")
    assert answer.outputs[-1][1]["data"]["text/plain"] == "False"
    assert answer.outputs[-1][1]["execution_count"] == answer.count
    assert driver.run(f"%tci replay --from {answer.count}").reply["status"] == "ok"
    assert driver.run("x").only("execute_result")["data"]["text/plain"] == "'old'"


@pytest.mark.parametrize(
    "line", ["for _ in (1,):\n    %tci ls", "a = %tci ls", "%local x = 3", "%%local\nx = 3"]
)
def test_a_cell_with_a_line_that_can_not_be_run_does_not_run(
    driver: KernelDriver, line: str
) -> None:
    driver.run("x = 'kept'")
    answer = driver.run(f"x = 2\n{line}\nx = 3")
    assert kinds(answer) == ["error"]
    assert answer.reply["ename"] == "UsageError"
    assert driver.run("x").only("execute_result")["data"]["text/plain"] == "'kept'"
