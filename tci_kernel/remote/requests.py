"""Who exchanges messages with an interpreter, and what they have asked of it.

It travels to the session as text, before that of `relay`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import OrderedDict
from typing import Any, Iterator

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.frames import Frames
    from tci_kernel.remote.interpreter import Interpreter
    from tci_kernel.remote.outbox import Outbox

# Seconds after a reply in which the interpreter says that it is idle, as a rule; then it is asked
# something. What it publishes comes in order: its word about a later request shows that the one
# about this was lost.
IDLE_LIMIT = 1.0

# Seconds after that word, which is said last, in which the reply has come if it was not lost.
REPLY_LIMIT = 1.0

# Seconds in which a comm's message begins to be handled, once nothing else runs. ipykernel 7.4
# handles those that come while a cell runs without a word, where the cell lets it.
BUSY_LIMIT = 1.0


class Client:
    """A kernel that exchanges messages, by an id that it has chosen.

    Attributes:
        taken: the number of the last message that was taken from it.
        outbox: what it has not fetched yet.
        is_joined: whether another one was given that, since it was last heard of.
        latest: the last exchange that it has begun.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.outbox = Outbox()
        self.is_joined = False
        self.latest: object = None
        self.pressing = False  # whether there is something that an exchange does not wait upon
        self.news = 0.0  # when the first came of what was not given out yet


class Exchange:
    """An exchange whose messages were taken, and that was not answered yet.

    Args:
        client: whose it is.
        request: what it has brought.
        interpreter: the one that its messages went to.
        cells: how many new cells of users it has brought.
    """

    def __init__(
        self, client: Client, request: dict[str, Any], interpreter: Interpreter, cells: int
    ) -> None:
        self.client = client
        self.request = request
        self.interpreter = interpreter
        self.begun = time.monotonic()
        self.cells = cells


class Request:
    """A request on the shell channel, from its beginning to its end.

    It ends when the interpreter has replied and is idle again; the two come on different channels,
    in either order. A client gets what comes last once both are there, behind all output.

    Args:
        header: its own.

    Attributes:
        is_cell: whether it runs code.
        is_begun: whether the interpreter has begun with it. A cell has once its code is shown:
            before that ipykernel heeds no interrupt.
        probe: the id of what was asked to find out whether its end was lost; None as a rule,
            and never the empty id of what is about no request, such as the word that it starts.
        question: what it asks its user, until that is answered.
    """

    def __init__(self, header: dict[str, Any]) -> None:
        self._header = header
        self.is_cell = header["msg_type"] == "execute_request"
        self._has_reply = str(header["msg_type"]).endswith("_request")
        self._reply: Frames | None = None
        self._replied_at = 0.0
        self.is_begun = False
        self._first_at = 0.0
        self._idle: Frames | None = None
        self._idle_at = 0.0
        self.question: Frames | None = None
        self.probe: str | None = None
        self._is_lost = False  # the interpreter's word that it is idle

    def take(self, message: Frames) -> None:
        """Take the reply, or a status."""
        if message.channel == "shell":
            self._reply, self._replied_at = message, time.monotonic()
        elif is_idle(message):
            self._idle, self._idle_at = message, time.monotonic()
        elif not self.is_cell:
            self.is_begun = True

    def new_probe(self) -> dict[str, Any] | None:
        """What is to be asked to find out whether its end was lost; None as a rule."""
        waits = self._reply is not None and self._idle is None and not self.probe
        if not waits or time.monotonic() < self._replied_at + IDLE_LIMIT:
            return None
        message = own_message("kernel_info_request", {})
        if "subshell_id" in self._header:
            message["header"]["subshell_id"] = self._header["subshell_id"]
        self.probe = str(message["header"]["msg_id"])
        return message

    def note_loss(self) -> None:
        """Note that what was asked later is answered: its end will not come."""
        self._is_lost = True

    def end(self, is_first: bool) -> Frames | None:
        """The message that ends it, once all have come; None before.

        Args:
            is_first: whether nothing runs that came before it.
        """
        now = time.monotonic()
        if self._has_reply:
            if self._reply is None:
                # ipykernel loses it where an interrupt strikes in its own code.
                is_lost = self._idle_at and now > self._idle_at + REPLY_LIMIT
                return self._idle if is_lost else None
            return self._reply if self._idle or self._is_lost else None
        if is_first and not self._first_at:
            self._first_at = now
        if self._first_at and not self.is_begun and now > self._first_at + BUSY_LIMIT:
            return idle(self._header)
        return self._idle


class ControlRequests:
    """The requests on the control channel. Their replies are given out as they come.

    ipykernel sends none to what it can't read: such a request ends with its word that it is idle.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._idle: OrderedDict[str, tuple[float, Frames]] = OrderedDict()  # without a reply

    def begin(self, header: dict[str, Any]) -> None:
        """Note that a request is sent."""
        self._asked.add(header["msg_id"])

    def take(self, message: Frames) -> None:
        """Take any message of the interpreter."""
        msg_id = message.parent_id
        if message.channel == "control":
            self._asked.discard(msg_id)
            self._idle.pop(msg_id, None)
        elif msg_id in self._asked and message.type == "status" and is_idle(message):
            self._asked.remove(msg_id)
            self._idle[msg_id] = (time.monotonic(), message)

    def ends(self) -> Iterator[Frames]:
        """The messages that end requests which have no reply."""
        now = time.monotonic()
        while self._idle:
            idle_at, message = next(iter(self._idle.values()))
            if now < idle_at + REPLY_LIMIT:
                return
            self._idle.popitem(last=False)
            yield message


def is_idle(status: Frames) -> bool:
    """Whether a status says that a request has ended."""
    return status.content().get("execution_state") == "idle"


def from_file(name: str, origin: str) -> dict[str, Any]:
    """An exchange that has come in a file, which is removed.

    Args:
        name: the file's.
        origin: the directory in which the relay was started.
    """
    for directory in places(origin):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                request: dict[str, Any] = json.load(file)
            os.remove(path)
            return request
    raise FileNotFoundError(name)


def places(origin: str) -> Iterator[str]:
    """Where files of a request may arrive."""
    yield origin
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        yield shell.starting_dir
    yield os.getcwd()


def own_message(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """A message of the relay's own, as an exchange would bring it."""
    header = {"msg_id": os.urandom(16).hex(), "msg_type": kind, "version": "5.3"}
    header.update(session=header["msg_id"], username="")
    return {"channel": "shell", "header": header, "content": content}


def idle(request: dict[str, Any]) -> Frames:
    """The status that ends a request, given by its header."""
    header = own_message("status", {})["header"]
    parts = [header, request, {}, {"execution_state": "idle"}]
    return Frames("iopub", [json.dumps(part).encode() for part in parts], [])


def is_cell(message: dict[str, Any]) -> bool:
    """Whether a message of an exchange is a cell of a user."""
    kind = message.get("header", {}).get("msg_type")
    return kind == "execute_request" and bool(message["content"].get("store_history", True))
