"""A client of exchanges that a server makes itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

from tci_kernel.remote.exchanges import VERSION
from tests.server.service import Service
from tests.support.contract import check
from tests.support.waiting import PATIENCE

T = TypeVar("T")

Fields = dict[str, Any]


class Client:
    """A client of a session's exchanges, as `docs/exchange.md` has it."""

    def __init__(self, service: Service, session_id: str) -> None:
        self._http = service.http
        self.session_id = session_id
        self.name = uuid.uuid4().hex
        self.received = 0
        self.sent = 0
        self.heard: list[Fields] = []
        self.state: Fields = {}

    def fields(self, messages: list[Fields], **fields: Any) -> Fields:
        """A request that is answered as soon as there is anything to tell."""
        return {
            "version": VERSION,
            "client": self.name,
            "acknowledged": self.received,
            "first": self.sent + 1,
            "wait": 0,
            "gather": 0,
            "limit": 4_000_000,
            "messages": messages,
            **fields,
        }

    def post(self, fields: Any) -> httpx.Response:
        return self._http.post(f"/tci/sessions/{self.session_id}/exchange", json=fields)

    def exchange(self, *messages: Fields, **fields: Any) -> Fields:
        """Make an exchange, and take note of what it brings."""
        response = self.post(self.fields([*messages], **fields))
        assert response.status_code == 200, response.text
        answer: Fields = check("ExchangeAnswer", response.content)
        self.sent += len(messages)
        assert answer["taken"] == self.sent
        self.heard += answer["messages"][self.received + 1 - answer["first"] :]
        self.received = answer["first"] + len(answer["messages"]) - 1
        self.state = answer["interpreter"]
        return answer

    def until(self, condition: Callable[[], bool], what: str) -> list[Fields]:
        """Make exchanges until a condition is true; gives what was heard, and forgets it."""
        limit = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < limit, f"not in {PATIENCE:g} s: {what}"
            self.exchange(wait=1)
        heard, self.heard = self.heard, []
        return heard

    def run(self, code: str, **content: Any) -> list[Fields]:
        """Run a cell; gives all that comes up to its reply."""
        message = execute(code, **content)
        self.exchange(message)
        return self.replied(message)

    def replied(self, message: Fields) -> list[Fields]:
        msg_id = message["header"]["msg_id"]

        def is_there() -> bool:
            # The status stands for a reply that ipykernel loses to an interrupt in its own code.
            ends = (
                one
                for one in self.heard
                if one["channel"] != "iopub" or one["header"]["msg_type"] == "status"
            )
            return any(one["parent_header"].get("msg_id") == msg_id for one in ends)

        return self.until(is_there, "a reply")


def request(kind: str, channel: str = "shell", **content: Any) -> Fields:
    """A message to the interpreter."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "s", "username": ""}
    return {"channel": channel, "header": {**header, "version": "5.3"}, "content": content}


def execute(code: str, **content: Any) -> Fields:
    options = {"silent": False, "store_history": True, "allow_stdin": True, "stop_on_error": False}
    return request("execute_request", code=code, **{**options, **content})


def said(heard: list[Fields]) -> str:
    """What was printed."""
    contents = [one["content"] for one in heard if one["header"]["msg_type"] == "stream"]
    return "".join(content["text"] for content in contents)


def beside(work: Callable[[], T]) -> Future[T]:
    """Have something done beside the test."""
    threads = ThreadPoolExecutor(1)
    future = threads.submit(work)
    threads.shutdown(wait=False)
    return future
