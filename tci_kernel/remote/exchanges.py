"""Exchanges of messages between one interpreter and those who use it: numbered, kept, given out.

It travels to the session as text, before that of `relay`; the server uses it as it is.
`docs/exchange.md` specifies them.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any, Callable

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.frames import Frames
    from tci_kernel.remote.interpreter import DEAD, ENDED, Interpreter, Starter
    from tci_kernel.remote.requests import (
        Client,
        ControlRequests,
        Exchange,
        Request,
        is_cell,
        own_message,
    )

VERSION = 1

# The longest that an exchange waits, in seconds, whatever it asks for.
LONGEST_WAIT = 60.0

# Requests whose sender is remembered, and clients whose messages are kept.
OWNERS = 10000
CLIENTS = 16

# The channels on which an interpreter is sent messages.
SENT = ("shell", "control", "stdin")

# What every client hears of, whoever has asked for it: it concerns what they share.
SHARED = ("comm_open", "comm_msg", "comm_close", "update_display_data", "debug_event")


class Exchanges:
    """Takes what clients send, and keeps for each what it has not fetched.

    Args:
        start: starts an interpreter; called once here, and again when that has died.
        companion: the code that each runs before any other.
        wake: called when an exchange that waits may have something to tell, on any thread.

    Attributes:
        id: another object than this one knows nothing of what was exchanged here.
        interpreter: the present one.
    """

    def __init__(self, start: Starter, companion: str, wake: Callable[[], None]) -> None:
        self._start = start
        self._companion = companion
        self._wake = wake
        self._before = ""  # how the interpreter before this one died
        self.id = os.urandom(8).hex()
        self._lock = threading.Lock()
        self._clients: OrderedDict[str, Client] = OrderedDict()
        self._owners: OrderedDict[str, list[Client]] = OrderedDict()
        self._private: set[str] = set()  # requests that are no cell of a user
        self._running: OrderedDict[str, Request] = OrderedDict()
        self._asked = ControlRequests()
        self._interrupts_next = False  # what begins next
        self._count = 1
        self.interpreter = self._new_interpreter(1)

    def hello(self) -> str:
        """What is said to who joins, and when all this has been started; as JSON."""
        return json.dumps({"version": VERSION, "relay": self.id, "count": self._count})

    def taken(self, name: str) -> int:
        """The number of the last message that was taken from a client; 0 of one not heard of."""
        with self._lock:
            return self._clients[name].taken if name in self._clients else 0

    def begin(self, request: dict[str, Any]) -> Exchange:
        """Take what an exchange brings. It waits then, for as long as `pause` says.

        Args:
            request: see `docs/exchange.md`; unchecked.
        """
        with self._lock:
            client = self._client(request["client"])
            client.is_joined = False
            client.outbox.acknowledge(request["acknowledged"])
            # The last answer was lost: what was in it waits for nothing.
            client.pressing = client.pressing or client.outbox.repeats
            cells = self._take(client, request)
            exchange = client.latest = Exchange(client, request, self.interpreter, cells)
        self._wake()  # one of the same client that waits has nothing to wait for any more
        return exchange

    # -- what goes in ------------------------------------------------------------------------

    def _client(self, name: str) -> Client:
        client = self._clients.setdefault(name, Client())
        self._clients.move_to_end(name)
        while len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return client

    def _take(self, client: Client, request: dict[str, Any]) -> int:
        """Take the messages that were not taken yet, each once; gives how many are cells."""
        cells = 0
        for number, message in enumerate(request["messages"], request["first"]):
            if number == client.taken + 1:
                client.taken = number
                self._handle(client, message)
                cells += is_cell(message)
        return cells

    def _handle(self, client: Client, message: dict[str, Any]) -> None:
        kind = message["channel"]
        if kind == "interrupt":
            self._interrupt()
        elif kind == "restart":
            self._restart()
        elif kind == "join":
            self._join(client)
        elif kind in SENT:  # `none` takes the place of what its sender has given up
            self._send(client, message)

    def _send(self, client: Client, message: dict[str, Any]) -> None:
        """Pass a message to the interpreter; what a dead one is sent starts the next."""
        if message["channel"] == "shell" and self.interpreter.state == DEAD:
            self._restart()
        msg_id = message["header"]["msg_id"]
        self._owners[msg_id] = [client]
        if not message["content"].get("store_history", True):
            self._private.add(msg_id)
        while len(self._owners) > OWNERS:
            self._private.discard(self._owners.popitem(last=False)[0])
        if message["channel"] == "shell":
            self._running[msg_id] = Request(message["header"])
        elif message["channel"] == "control":
            self._asked.begin(message["header"])
        elif message["channel"] == "stdin":
            for request in self._running.values():
                request.question = None
        self.interpreter.send(message)

    def _interrupt(self) -> None:
        """Interrupt what runs, or what was sent and has not begun as soon as it does."""
        cells = [self._running[msg_id] for msg_id in self._running if msg_id not in self._private]
        waits = any(cell.is_cell and not cell.is_begun for cell in cells)
        runs = any(request.is_begun for request in self._running.values())
        self._interrupts_next = waits and not runs
        if not self._interrupts_next:
            self.interpreter.interrupt()

    @property
    def is_busy(self) -> bool:
        """Whether the interpreter has requests that it has not answered."""
        return bool(self._running)

    def restart(self) -> None:
        """Have another interpreter, now that this one has died."""
        with self._lock:
            self._restart()

    def _restart(self) -> None:
        old = self.interpreter
        self._before = old.reason if old.state == DEAD else ""
        old.end()
        self._running.clear()
        self._asked = ControlRequests()
        self._count = 1
        self.interpreter = self._new_interpreter(old.number + 1)

    def _join(self, client: Client) -> None:
        """Have a client hear what others have not fetched, and what follows of what runs."""
        client.pressing = True  # whether anything runs is news
        for other in self._clients.values():
            if other is client or other.is_joined:
                continue
            other.is_joined = True
            for message in other.outbox.unfetched():
                if message.channel == "iopub" and message.parent_id not in self._private:
                    client.outbox.put(message.copy())
        for msg_id, request in self._running.items():
            if msg_id in self._private:
                continue
            self._owners.setdefault(msg_id, []).append(client)
            if request.question:
                client.outbox.put(request.question)

    # -- what comes out ----------------------------------------------------------------------

    def _new_interpreter(self, number: int) -> Interpreter:
        def receive(message: Frames) -> None:
            if self.interpreter is interpreter:
                self._receive(message)

        interpreter = self._start(number, receive, self._wake)
        content = {"code": self._companion, "silent": True, "store_history": False}
        interpreter.send(own_message("execute_request", content))
        return interpreter

    def _receive(self, message: Frames) -> None:
        """Take a message of the interpreter for those whom it concerns."""
        with self._lock:
            request = self._running.get(message.parent_id)
            self._asked.take(message)
            if message.parent_id in self._owners:  # a task may print long after its cell
                self._owners.move_to_end(message.parent_id)
            if message.type == "execute_input":
                self._begin(message)
            elif message.type == "status" or (request and message.channel == "shell"):
                if request:
                    request.take(message)
                elif message.channel == "iopub":
                    self._note_answer(message.parent_id)
                self._end_requests()
            elif message.parent_id in self._owners or not message.parent_id:
                if request and message.channel == "stdin":
                    request.question = message
                self._put(message, message.channel != "iopub")
        self._wake()

    def _begin(self, message: Frames) -> None:
        """Note that a cell begins, by its `execute_input`."""
        request = self._running.get(message.parent_id)
        if request:
            request.is_begun = True
        if message.parent_id in self._private:
            return  # it moves no count
        if request and self._interrupts_next:  # else it is another's, who uses no exchanges
            self._interrupts_next = False
            self.interpreter.interrupt()
        with suppress(LookupError, TypeError, ValueError):  # code may publish anything
            self._count = int(message.content()["execution_count"]) + 1

    def _end_requests(self) -> None:
        """Give out the last message of each request that has ended."""
        for msg_id, request in [*self._running.items()]:
            probe = request.new_probe()
            if probe is not None:
                self.interpreter.send(probe)
            end = request.end(msg_id == next(iter(self._running)))
            if end is not None:
                del self._running[msg_id]
                self._put(end, True)
        for end in self._asked.ends():
            self._put(end, True)

    def _note_answer(self, probe: str) -> None:
        """Note that the interpreter has answered what may be a probe."""
        for request in self._running.values():
            if request.probe == probe:
                request.note_loss()

    def _put(self, message: Frames, is_pressing: bool) -> None:
        """Put a message into the outbox of everybody whom it concerns."""
        for client in self._addressees(message):
            client.news = client.news or time.monotonic()
            client.pressing = client.pressing or is_pressing
            client.outbox.put(message.copy())

    def _addressees(self, message: Frames) -> list[Client]:
        everybody = [*self._clients.values()]
        if message.channel == "iopub" and message.type in SHARED:
            return everybody
        return self._owners.get(message.parent_id, everybody)

    # -- an exchange -------------------------------------------------------------------------

    def pause(self, exchange: Exchange) -> float:
        """Seconds that an exchange may wait on if nothing comes; 0 once it is to be answered."""
        client, request, now = exchange.client, exchange.request, time.monotonic()
        with self._lock:
            self._end_requests()
        if client.pressing or client.outbox.size >= request["limit"] or self._is_over(exchange):
            return 0.0
        end: float = exchange.begun + min(request["wait"], LONGEST_WAIT)
        limit = min(end, client.news + request["gather"]) if client.news else end
        return max(0.0, limit - now)

    def _is_over(self, exchange: Exchange) -> bool:
        """Whether there is no reason to wait: another exchange, or no interpreter as there was."""
        is_latest = exchange.client.latest is exchange
        is_same = exchange.interpreter is self.interpreter
        return not is_latest or not is_same or self.interpreter.state in ENDED

    def answer(self, exchange: Exchange) -> str:
        """The answer to an exchange, as JSON."""
        with self._lock:
            client, request = exchange.client, exchange.request
            is_latest = client.latest is exchange
            # What the client has asked for meanwhile brings what there is.
            first, texts, more = client.outbox.take(request["limit"] if is_latest else 0)
            if is_latest and not more:
                client.news, client.pressing = 0.0, False
            return self._written(exchange, first, texts if is_latest else [], more)

    def _written(self, exchange: Exchange, first: int, texts: list[str], more: bool) -> str:
        interpreter = self.interpreter
        state = {
            "number": interpreter.number,
            "state": interpreter.state,
            "reason": interpreter.reason,
            "before": self._before,
            "pid": interpreter.pid,
            "info": interpreter.info if exchange.request.get("describe") else {},
        }
        head = {
            "version": VERSION,
            "relay": self.id,
            "taken": exchange.client.taken,
            "first": first,
            "more": more,
            "running": [] if interpreter.state in ENDED else [*self._running],
            "count": 1 if interpreter.state == DEAD else self._count,
            "took": round(time.monotonic() - exchange.begun, 4),
            "interpreter": state,
        }
        return '%s, "messages": [%s]}' % (json.dumps(head)[:-1], ", ".join(texts))
