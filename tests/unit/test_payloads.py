"""What of a reply's payload a client is given to carry out."""

from __future__ import annotations

from typing import Any

import pytest

from tci_kernel.notebook.payloads import permitted

PAGE: dict[str, Any] = {"source": "page", "data": {"text/plain": "help"}, "start": 0}
NEXT = {"source": "set_next_input", "text": "x = 1", "replace": False}
EXIT = {"source": "ask_exit", "keepkernel": False}


@pytest.mark.parametrize("item", [PAGE, NEXT, {**NEXT, "replace": True}, EXIT], ids=str)
def test_what_clients_need_passes(item: dict[str, Any]) -> None:
    assert permitted([item], hidden=False) == [item]


@pytest.mark.parametrize(
    "item",
    [
        {"source": "edit_magic", "filename": "/etc/passwd", "line_number": 1},
        {"source": "set_next_input", "text": 7, "replace": False},
        {"source": "set_next_input", "text": "x", "replace": "yes"},
        {"source": "page", "data": "text", "start": 0},
        {"source": "page", "data": {"text/html": 7}, "start": 0},
        {"source": "page", "data": {"text/plain": "x"}, "start": None},
        {"source": "ask_exit", "keepkernel": "no"},
        {"source": ["page"]},
        {},
        "page",
        None,
    ],
    ids=str,
)
def test_all_else_is_left_out(item: Any) -> None:
    assert permitted([item, NEXT], hidden=False) == [NEXT]


@pytest.mark.parametrize("payload", [None, {}, "page", 7])
def test_what_is_no_payload_is_none(payload: Any) -> None:
    assert permitted(payload, hidden=False) == []


def test_only_a_cell_that_the_user_has_run_ends_a_client() -> None:
    assert permitted([EXIT, PAGE], hidden=True) == [PAGE]


def test_the_last_of_each_source_counts() -> None:
    many = [{**NEXT, "text": str(number)} for number in range(1000)]
    assert permitted([*many, PAGE], hidden=False) == [many[-1], PAGE]


def test_fields_that_clients_do_not_read_do_not_pass() -> None:
    assert permitted([{**NEXT, "more": "x"}], hidden=False) == [NEXT]
