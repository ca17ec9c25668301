"""Messages of an interpreter that a client could not read are not published."""

from __future__ import annotations

from typing import Any

import pytest

from tci_kernel.core.messages import Message
from tci_kernel.session.live.exchange import Incoming
from tci_kernel.session.live.shapes import checked

ERROR = {"ename": "E", "evalue": "", "traceback": ["E"]}
BUNDLE = {"data": {"text/plain": "1"}, "metadata": {}}


def incoming(kind: str, content: dict[str, Any]) -> Incoming:
    channel = "shell" if kind == "execute_reply" else "iopub"
    return Incoming(channel, Message(kind, content), "parent")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stream", {"name": "stdout", "text": ""}),
        ("error", ERROR),
        ("display_data", {**BUNDLE, "transient": {"display_id": "x"}}),
        ("execute_result", {**BUNDLE, "execution_count": 1}),
        ("execute_reply", {"status": "ok", "payload": []}),
        ("execute_reply", {"status": "error", **ERROR}),
        ("execute_reply", {"status": "aborted"}),
        ("input_request", {"prompt": "", "password": False}),
        ("comm_msg", {"comm_id": "x", "data": 7}),
        ("complete_reply", {"anything": "else"}),
    ],
)
def test_what_is_whole_passes_as_it_came(kind: str, content: dict[str, Any]) -> None:
    came = incoming(kind, content)
    assert checked(came) is came


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stream", {}),
        ("stream", {"name": "stdout", "text": 7}),
        ("stream", {"name": "stdin", "text": "x"}),
        ("error", {**ERROR, "traceback": "E"}),
        ("error", {**ERROR, "traceback": [7]}),
        ("display_data", {"data": "text", "metadata": {}}),
        ("display_data", {**BUNDLE, "transient": "x"}),
        ("execute_result", BUNDLE),
        ("clear_output", {"wait": "yes"}),
        ("comm_open", {"comm_id": "x"}),
        ("comm_close", {"comm_id": 7}),
        ("input_request", {"prompt": None, "password": False}),
        ("status", {"execution_state": None}),
    ],
)
def test_what_is_not_is_left_out(kind: str, content: dict[str, Any]) -> None:
    assert checked(incoming(kind, content)) is None


@pytest.mark.parametrize(
    "content",
    [{}, {"status": "fine"}, {"status": "error"}, {"status": "ok", "payload": 7}, {"status": None}],
    ids=str,
)
def test_a_reply_that_cannot_be_read_is_an_error(content: dict[str, Any]) -> None:
    read = checked(incoming("execute_reply", content))
    assert read is not None
    assert read.message.content["status"] == "error"
    assert "can't be read" in read.message.content["evalue"]
