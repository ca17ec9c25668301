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
from contextlib import suppress
from typing import Any

MODULE = "_tci_kernel_relay"

if __name__ != MODULE:
    from tci_kernel.remote.child import Child
    from tci_kernel.remote.exchanges import VERSION, Exchanges
    from tci_kernel.remote.hangups import spare_interrupts, woken
    from tci_kernel.remote.printing import say
    from tci_kernel.remote.requests import Exchange, from_file
    from tci_kernel.remote.traces import find_shell, forget_this_cell

# Stand around an answer in what is printed; JSON can't contain them.
BEGIN = "\x1etci-exchange:"
END = "\x1e\n"


class Relay:
    """Starts the interpreter, and answers exchanges.

    Args:
        companion: the code that the interpreter runs before any other.
    """

    def __init__(self, companion: str) -> None:
        self._origin = os.getcwd()
        self._wakers: set[socket.socket] = set()
        self._exchanges = Exchanges(Child, companion, self._wake)
        atexit.register(self.end)

    def end(self) -> None:
        """End the interpreter."""
        self._exchanges.interpreter.end()

    def exchange(self, text: str) -> None:
        """Answer an exchange, given as JSON, and print the answer."""
        forget_this_cell(find_shell())
        request = json.loads(text)
        if "file" in request:
            request = from_file(request["file"], self._origin)
        # Of another version nothing is taken: who asks for that reads which this is.
        is_ours = "ping" not in request and request["version"] == VERSION
        say(BEGIN + (self._answer(request) if is_ours else self.hello()) + END)

    def hello(self) -> str:
        """What it says to who joins, and when it has been started; as JSON."""
        return self._exchanges.hello()

    def _answer(self, request: dict[str, Any]) -> str:
        """The answer to an exchange, as JSON."""
        with woken() as (waker, wakened, is_hung_up):
            self._wakers.add(waker)
            try:
                exchange = self._exchanges.begin(request)
                self._await_news(exchange, wakened, is_hung_up)
            finally:
                self._wakers.discard(waker)
            return self._exchanges.answer(exchange)

    def _await_news(
        self, exchange: Exchange, wakened: socket.socket, is_hung_up: list[int]
    ) -> None:
        """Wait until there is something to tell, or for as long as the exchange says."""
        while not is_hung_up:
            pause = self._exchanges.pause(exchange)
            if not pause:
                return
            if select.select([wakened], [], [], min(pause, 1.0))[0]:
                wakened.recv(4096)

    def _wake(self) -> None:
        for waker in [*self._wakers]:
            with suppress(OSError):  # it is awake, or gone
                waker.send(b"x")


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
