"""What the interpreter says of itself, in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tci_kernel.core.messages import Message
from tci_kernel.session.live.usage import facts, question

INFO = {"language_info": {"version": "3.12.1"}, "implementation_version": "9.1"}


def told(**usage: Any) -> Message:
    text = json.dumps(
        {"ipykernel": "7.1.0", "memory": 50_000_000, "cpu": 1.26, "alive": 0, **usage}
    )
    values = {"usage": {"status": "ok", "data": {"text/plain": text}}}
    return Message("execute_reply", {"status": "ok", "user_expressions": values})


def test_it_is_asked_without_a_trace() -> None:
    content = question().content
    assert content["code"] == ""
    assert (content["silent"], content["store_history"]) == (True, False)
    assert list(content["user_expressions"]) == ["usage"]


def test_all_is_told() -> None:
    assert facts(INFO, told()) == [
        ("Interpreter", "Python 3.12.1, IPython 9.1, ipykernel 7.1.0"),
        ("It uses", "50 MB of memory, 1.3 s of CPU time"),
        ("Lives on", "nothing"),
    ]
    assert facts(INFO, told(alive=2))[-1] == ("Lives on", "2 threads, tasks or processes of cells")


@pytest.mark.parametrize(
    "reply",
    [
        None,
        Message("execute_reply", {}),
        Message("execute_reply", {"user_expressions": None}),
        Message("execute_reply", {"user_expressions": {"usage": {"data": {"text/plain": "{"}}}}),
        told(memory="much"),
        told(cpu=None),
    ],
)
def test_what_is_not_told_is_left_out(reply: Message | None) -> None:
    (fact,) = facts(INFO, reply)
    assert fact[0] == "Interpreter"
    assert fact[1].startswith("Python 3.12.1, IPython 9.1")
