"""What exchanges make of messages in orders that a real interpreter can't be made to send.

It sends on several sockets, and on a busy machine any of them may be the quicker one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tci_kernel.remote.exchanges import Exchanges
from tci_kernel.remote.frames import Frames
from tci_kernel.remote.interpreter import READY

CELL = {"msg_id": "cell", "msg_type": "execute_request", "session": "s", "username": ""}


class Interpreter:
    """One that does nothing by itself."""

    number = 1
    state = READY
    reason = ""
    pid = 1

    def __init__(self, receive: Callable[[Frames], None]) -> None:
        self.info: dict[str, Any] = {}
        self._receive = receive

    def send(self, message: Mapping[str, Any]) -> None:
        """Take a message."""

    def interrupt(self) -> None:
        """Be interrupted."""

    def end(self) -> None:
        """End."""

    def say(self, kind: str, content: Mapping[str, Any], parent: Mapping[str, Any]) -> None:
        """Send a message about a request, or about none."""
        channel = "shell" if kind.endswith("_reply") else "iopub"
        header = {"msg_id": f"{kind} to {parent}", "msg_type": kind}
        parts = [json.dumps(part).encode() for part in (header, parent, {}, content)]
        self._receive(Frames(channel, parts, []))


class Client:
    """Sends a cell, and fetches what comes of it."""

    def __init__(self) -> None:
        made: list[Interpreter] = []

        def start(
            _number: int, receive: Callable[[Frames], None], _change: Callable[[], None]
        ) -> Interpreter:
            made.append(Interpreter(receive))
            return made[-1]

        self._exchanges = Exchanges(start, "", lambda: None)
        [self.interpreter] = made
        self._arrived = 0
        content = {"code": "", "store_history": True}
        self.exchange({"channel": "shell", "header": CELL, "metadata": {}, "content": content})

    def exchange(self, *messages: Mapping[str, Any]) -> list[str]:
        """Make an exchange; gives the types of what has come."""
        request = {
            "client": "c",
            "acknowledged": self._arrived,
            "first": 1,
            "messages": messages,
            "wait": 0,
            "gather": 0,
            "limit": 1_000_000,
        }
        answer = json.loads(self._exchanges.answer(self._exchanges.begin(request)))
        self._arrived += len(answer["messages"])
        return [message["header"]["msg_type"] for message in answer["messages"]]


@pytest.mark.parametrize(
    "other",
    [{}, {"msg_id": "", "msg_type": "x"}, {"msg_id": "another"}],
    ids=["nothing", "an id that is empty", "what nobody knows"],
)
def test_a_cells_end_is_awaited_whatever_is_said_of_other_things(
    other: Mapping[str, Any],
) -> None:
    client = Client()
    for state in ("starting", "idle"):
        client.interpreter.say("status", {"execution_state": state}, other)
    client.interpreter.say("execute_reply", {"status": "ok"}, CELL)
    assert client.exchange() == []
    client.interpreter.say("stream", {"name": "stdout", "text": "printed"}, CELL)
    assert client.exchange() == ["stream"]
    client.interpreter.say("status", {"execution_state": "idle"}, CELL)
    assert client.exchange() == ["execute_reply"]
