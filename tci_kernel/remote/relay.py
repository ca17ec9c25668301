"""Carries Jupyter's messages between an interpreter in the session and kernels elsewhere.

It is sent as text and runs once in each session. It starts an ipykernel there as a process of its
own (`child`), keeps what that sends until it is fetched (`outbox`), and answers exchanges: messages
go in, those that have come since go out. `docs/exchange.md` specifies them. It may meet any Python
from 3.8 on, with IPython or without, and leaves no names behind.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import sys
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any

MODULE = "_tci_kernel_relay"

if __name__ != MODULE:
    from tci_kernel.remote.child import DEAD, FAILED, Child
    from tci_kernel.remote.frames import Frames
    from tci_kernel.remote.hangups import spare_interrupts, woken
    from tci_kernel.remote.printing import say
    from tci_kernel.remote.requests import Client, ControlRequests, Request, from_file, own_message
    from tci_kernel.remote.traces import find_shell, forget_this_cell

VERSION = 1

# Stand around an answer in what is printed; JSON can't contain them.
BEGIN = "\x1etci-exchange:"
END = "\x1e\n"

# The longest that an exchange waits, in seconds, whatever it asks for.
LONGEST_WAIT = 60.0

# Requests whose sender is remembered, and clients whose messages are kept.
OWNERS = 10000
CLIENTS = 16

# The channels on which an interpreter is sent messages.
SENT = ("shell", "control", "stdin")

# What every client hears of, whoever has asked for it: it concerns what they share.
SHARED = ("comm_open", "comm_msg", "comm_close", "update_display_data", "debug_event")


class Relay:
    """Starts the interpreter, and answers exchanges.

    Args:
        companion: the code that the interpreter runs before any other.
    """

    def __init__(self, companion: str) -> None:
        self._companion = companion
        self._before = ""  # how the interpreter before this one died
        self.id = os.urandom(8).hex()
        self.origin = os.getcwd()
        self._lock = threading.Lock()
        self._clients: OrderedDict[str, Client] = OrderedDict()
        self._owners: OrderedDict[str, list[Client]] = OrderedDict()
        self._private: set[str] = set()  # requests that are no cell of a user
        self._running: OrderedDict[str, Request] = OrderedDict()
        self._asked = ControlRequests()
        self._interrupts_next = False  # what begins next
        self._count = 1
        self._wakers: set[socket.socket] = set()
        self.child = self._new_child(1)
        atexit.register(self.end)

    def end(self) -> None:
        """End the interpreter."""
        self.child.end()

    def exchange(self, text: str) -> None:
        """Answer an exchange, given as JSON, and print the answer."""
        forget_this_cell(find_shell())
        request = json.loads(text)
        if "file" in request:
            request = from_file(request["file"], self.origin)
        # Of another version nothing is taken: who asks for that reads which this is.
        is_ours = "ping" not in request and request["version"] == VERSION
        say(BEGIN + (self.answer(request) if is_ours else self.hello()) + END)

    def hello(self) -> str:
        """What it says to who joins, and when it has been started; as JSON."""
        return json.dumps({"version": VERSION, "relay": self.id, "count": self._count})

    def answer(self, request: dict[str, Any]) -> str:
        """The answer to an exchange, as JSON."""
        begun = time.monotonic()
        with woken() as (waker, wakened, is_hung_up):
            with self._lock:
                client = self._client(request["client"])
                client.is_joined = False
                client.outbox.acknowledge(request["acknowledged"])
                # The last answer was lost: what was in it waits for nothing.
                client.pressing = client.pressing or client.outbox.repeats
                self._take(client, request)
                self._wakers.add(waker)
            try:
                self._await_news(client, request, wakened, is_hung_up)
            finally:
                self._wakers.discard(waker)
            with self._lock:
                return self._written(client, request, begun)

    # -- what goes in ------------------------------------------------------------------------

    def _client(self, name: str) -> Client:
        client = self._clients.setdefault(name, Client())
        self._clients.move_to_end(name)
        while len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return client

    def _take(self, client: Client, request: dict[str, Any]) -> None:
        """Take the messages that were not taken yet, each once."""
        for number, message in enumerate(request["messages"], request["first"]):
            if number == client.taken + 1:
                client.taken = number
                self._handle(client, message)

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
        if message["channel"] == "shell" and self.child.state == DEAD:
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
        self.child.send(message)

    def _interrupt(self) -> None:
        """Interrupt what runs, or what was sent and has not begun as soon as it does."""
        cells = [self._running[msg_id] for msg_id in self._running if msg_id not in self._private]
        waits = any(cell.is_cell and not cell.is_begun for cell in cells)
        runs = any(request.is_begun for request in self._running.values())
        self._interrupts_next = waits and not runs
        if not self._interrupts_next:
            self.child.interrupt()

    def _restart(self) -> None:
        self._before = self.child.reason if self.child.state == DEAD else ""
        self.child.end()
        self._running.clear()
        self._asked = ControlRequests()
        self._count = 1
        self.child = self._new_child(self.child.number + 1)

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

    def _new_child(self, number: int) -> Child:
        def receive(message: Frames) -> None:
            if self.child is child:
                self._receive(message)

        child = Child(number, receive, self._wake)
        content = {"code": self._companion, "silent": True, "store_history": False}
        child.send(own_message("execute_request", content))
        return child

    def _receive(self, message: Frames) -> None:
        """Take a message of the interpreter for those whom it concerns. On its thread."""
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
                self._end_requests()
            elif message.parent_id in self._owners or not message.parent_id:
                if request and message.channel == "stdin":
                    request.question = message
                self._put(message, message.channel != "iopub")
        self._wake()

    def _begin(self, message: Frames) -> None:
        """Note that a cell begins, by its `execute_input`."""
        if message.parent_id in self._private:
            return  # it moves no count
        if self._interrupts_next:
            self._interrupts_next = False
            self.child.interrupt()
        with suppress(LookupError, TypeError, ValueError):  # code may publish anything
            self._count = int(message.content()["execution_count"]) + 1

    def _end_requests(self) -> None:
        """Give out the last message of each request that has ended."""
        for msg_id, request in [*self._running.items()]:
            end = request.end(msg_id == next(iter(self._running)))
            if end is not None:
                del self._running[msg_id]
                self._put(end, True)
        for end in self._asked.ends():
            self._put(end, True)

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

    def _wake(self) -> None:
        for waker in [*self._wakers]:
            with suppress(OSError):  # it is awake, or gone
                waker.send(b"x")

    # -- an exchange -------------------------------------------------------------------------

    def _await_news(
        self, client: Client, request: dict[str, Any], wakened: socket.socket, is_hung_up: list[int]
    ) -> None:
        """Wait until there is something to tell, or for as long as the exchange says."""
        end = time.monotonic() + min(request["wait"], LONGEST_WAIT)
        child = self.child
        while not is_hung_up:
            now = time.monotonic()
            with self._lock:
                self._end_requests()
            limit = min(end, client.news + request["gather"]) if client.news else end
            is_full = client.outbox.size >= request["limit"]
            if client.pressing or is_full or now >= limit or self._is_over(child):
                return
            if select.select([wakened], [], [], min(limit - now, 1.0))[0]:
                wakened.recv(4096)

    def _is_over(self, child: Child) -> bool:
        """Whether the interpreter has ended, or another one has taken its place."""
        return self.child is not child or child.state in (DEAD, FAILED)

    def _written(self, client: Client, request: dict[str, Any], begun: float) -> str:
        first, texts, more = client.outbox.take(request["limit"])
        if not more:
            client.news, client.pressing = 0.0, False
        child = self.child
        state = {
            "number": child.number,
            "state": child.state,
            "reason": child.reason,
            "before": self._before,
            "pid": child.pid,
            "info": child.info if request.get("describe") else {},
        }
        head = {
            "version": VERSION,
            "relay": self.id,
            "taken": client.taken,
            "first": first,
            "more": more,
            "running": [] if self._is_over(child) else [*self._running],
            "count": 1 if child.state == DEAD else self._count,
            "took": round(time.monotonic() - begun, 4),
            "interpreter": state,
        }
        return '%s, "messages": [%s]}' % (json.dumps(head)[:-1], ", ".join(texts))


def install(companion: str) -> None:
    """Start the relay, once, and say so; `companion` is what its interpreter runs first."""
    modules: Any = sys.modules  # it is called by its name there, and never imported
    forget_this_cell(find_shell())
    try:
        if MODULE not in modules:
            modules[MODULE] = Relay(companion)
            spare_interrupts(find_shell(), MODULE)
        relay = modules[MODULE]
        hello = relay.hello()
    except Exception as error:  # noqa: BLE001 - the boundary where an answer must go out
        hello = json.dumps({"version": VERSION, "failed": "%s: %s" % (type(error).__name__, error)})
    say(BEGIN + hello + END)


if __name__ == MODULE:
    install(globals()["COMPANION"])
