"""The request that has the interpreter run a cell, and its reply."""

from __future__ import annotations

from typing import Any

import pytest

from tci_kernel.core.cell import Cell
from tci_kernel.session.live.pending import (
    ALIVE,
    Pending,
    execute_request,
    new_header,
    without_alive,
)


def test_a_cell_goes_with_the_header_and_the_metadata_that_its_client_gave_it() -> None:
    cell = Cell("1", header={"msg_id": "theirs", "x": 1}, metadata={"tags": ["a"]})
    request = execute_request(cell, "")
    assert request["header"] == {"msg_id": "theirs", "x": 1}
    assert request["metadata"] == {"tags": ["a"]}
    request["header"]["subshell_id"] = "ours"
    assert cell.header is not None
    assert "subshell_id" not in cell.header


def test_a_cell_of_the_kernels_own_gets_a_header_and_no_number() -> None:
    request = execute_request(Cell("1", silent=True, hidden=True), "")
    assert request["header"]["msg_type"] == "execute_request"
    assert (request["content"]["store_history"], request["content"]["silent"]) == (False, True)


def test_headers_are_all_different() -> None:
    ids = {new_header("input_reply")["msg_id"] for _ in range(100)}
    assert len(ids) == 100


def test_what_waits_behind_a_failed_cell_is_the_kernels_to_stop() -> None:
    assert execute_request(Cell("1"), "")["content"]["stop_on_error"] is False


def test_our_question_goes_beside_those_of_the_client_and_its_answer_is_taken_out() -> None:
    cell = Cell("1", user_expressions={"theirs": "x"})
    assert execute_request(cell, "")["content"]["user_expressions"] == {"theirs": "x"}
    asked = execute_request(cell, "alive()")["content"]["user_expressions"]
    assert asked == {"theirs": "x", ALIVE: "alive()"}
    assert cell.user_expressions == {"theirs": "x"}
    answers = {"theirs": 1, ALIVE: {"status": "ok", "data": {"text/plain": "3"}}}
    reply = {"status": "ok", "user_expressions": answers}
    assert without_alive(reply) == ({"status": "ok", "user_expressions": {"theirs": 1}}, 3)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"user_expressions": None},
        {"user_expressions": "text"},
        {"user_expressions": {}},
        {"user_expressions": {ALIVE: None}},
        {"user_expressions": {ALIVE: {"status": "error"}}},
        {"user_expressions": {ALIVE: {"data": {"text/plain": "many"}}}},
        {"user_expressions": {ALIVE: {"data": {"text/plain": None}}}},
    ],
)
def test_where_it_is_not_said_how_much_lives_on_it_is_not_known(answer: dict[str, Any]) -> None:
    assert without_alive(answer) == ({"user_expressions": {}}, None)


def test_requests_wait_each_for_their_own() -> None:
    first, second = Pending("a"), Pending("b")
    first.arrived.put_nowait(RuntimeError())
    assert second.arrived.empty()
