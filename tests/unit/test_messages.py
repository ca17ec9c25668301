"""Each message that a cell produces is what the protocol says."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from jupyter_kernel_test.msgspec_v5 import get_msg_content_validator

from tci_kernel.core import messages
from tci_kernel.core.errors import Interrupted, TCIError
from tci_kernel.core.messages import Message
from tci_kernel.core.text import WIDTH

BUNDLE = {"text/plain": "a", "image/png": "AA=="}
WIDGET = "application/vnd.jupyter.widget-view+json"

FAILURE = messages.error("NameError", "name 'x' is not defined", ["NameError: …"])

MADE: dict[str, Message] = {
    "stream": messages.stream("stderr", "text"),
    "display": messages.display(BUNDLE, {"image/png": {"width": 1}}, {"display_id": "x"}),
    "update": messages.display(BUNDLE, transient={"display_id": "x"}, update=True),
    "result": messages.result(BUNDLE, 3),
    "clear": messages.clear_output(wait=True),
    "error": FAILURE,
    "error of": messages.error_of(TCIError("what", fate="fate", advice="advice")),
    "reply": messages.reply(3),
}


@pytest.mark.parametrize("name", MADE)
def test_each_is_as_the_protocol_has_it(name: str) -> None:
    message = MADE[name]
    get_msg_content_validator(message.type, 1).validate(dict(message.content))
    assert (message.metadata, message.buffers, message.parent) == ({}, (), None)


def test_a_message_is_a_value_that_nobody_changes() -> None:
    message = messages.stream("stdout", "a")
    assert message == messages.stream("stdout", "a")
    with pytest.raises(FrozenInstanceError):
        message.type = "other"  # type: ignore[misc]


def test_an_update_is_a_display_by_another_name() -> None:
    shown = messages.display(BUNDLE, transient={"display_id": "x"})
    updated = messages.display(BUNDLE, transient={"display_id": "x"}, update=True)
    assert (shown.type, updated.type) == ("display_data", "update_display_data")
    assert shown.content == updated.content


def test_an_error_of_ours_has_no_stack_and_its_parts_in_lines() -> None:
    failure = messages.error_of(TCIError("What happened.", fate="What is lost.", advice="Do."))
    assert failure.content == {
        "ename": "TCIError",
        "evalue": "What happened.\nWhat is lost. Do.",
        "traceback": ["TCIError: What happened.\nWhat is lost. Do."],
    }


def test_an_error_of_ours_is_read_under_the_name_that_it_gives() -> None:
    assert messages.error_of(Interrupted("")).content["ename"] == "KeyboardInterrupt"
    assert messages.error_of(ValueError("no")).content["ename"] == "ValueError"


def test_an_errors_lines_fit_behind_its_name() -> None:
    failure = messages.error_of(TCIError("word " * 100, fate="word " * 100))
    (shown,) = failure.content["traceback"]
    assert shown.startswith("TCIError: word")
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_a_reply_says_how_the_cell_ended() -> None:
    assert messages.reply(3).content == {
        "status": "ok",
        "execution_count": 3,
        "payload": [],
        "user_expressions": {},
    }
    payload: list[dict[str, Any]] = [{"source": "page"}]
    failed = messages.reply(3, FAILURE, payload=payload, user_expressions={"a": {}}).content
    assert failed == {
        "status": "error",
        **FAILURE.content,
        "execution_count": 3,
        "payload": payload,
        "user_expressions": {"a": {}},
    }


def test_expressions_that_nobody_evaluates_are_errors_by_name() -> None:
    values = messages.no_values(["a", "b"])
    assert set(values) == {"a", "b"}
    assert values["a"]["status"] == "error"
    assert values["a"]["ename"] == "NotImplementedError"
    assert messages.no_values([]) == {}


@pytest.mark.parametrize("request_", [{}, {"seq": 4, "command": "attach"}])
def test_where_there_is_no_debugger_the_request_is_answered(request_: dict[str, Any]) -> None:
    answer = messages.no_debugger(request_, "because")
    assert (answer["success"], answer["message"]) == (False, "because")
    assert answer["request_seq"] == request_.get("seq", 0)
    assert answer["command"] == request_.get("command", "")


def test_a_client_always_learns_that_no_debugger_runs() -> None:
    answer = messages.no_debugger({"seq": 4, "command": "debugInfo"}, "because")
    assert answer["success"] is True
    assert answer["body"]["isStarted"] is False
    assert {"hashMethod", "tmpFilePrefix", "breakpoints", "stoppedThreads"} <= set(answer["body"])


def test_a_widgets_view_goes_where_something_stands_in_for_it() -> None:
    view = {WIDGET: {"model_id": "m"}}
    assert messages.without_widget({**view, **BUNDLE}) == BUNDLE
    assert messages.without_widget(view) == view
    assert messages.without_widget(BUNDLE) is BUNDLE


def test_what_others_say_passes_as_it_is() -> None:
    text = "a  long text of a library that a %%local cell has used, " * 4
    assert messages.error_of(ValueError(text)).content["evalue"] == text
