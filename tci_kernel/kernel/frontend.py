"""Who sits in front of a cell: what is shown to them at once, and what they are asked."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import zmq
from jupyter_client.session import Session

from tci_kernel.core.cell import END_OF_INPUT
from tci_kernel.core.messages import Message

# Seconds between two looks for the reply. The base class waits in a blocking loop instead, which
# no interrupt message could end.
_INTERVAL = 0.05

# Seconds for the thread that publishes to have done so; it blocks on nothing.
_FLUSH_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class CellFrontend:
    """The client that sent a cell. See `LocalFrontend`.

    Attributes:
        takes_questions: whether it lets its user be asked.
        show: publishes a message of the cell at once, from any thread.
        schedule: has the thread that publishes call something, after what was shown until then.
        session: signs and reads the messages.
        stdin: the stdin channel.
        request: the request that is being handled.
        client: the ZeroMQ identity of who sent it.
    """

    takes_questions: bool
    show: Callable[[Message], None]
    schedule: Callable[[Callable[[], None]], object]
    session: Session
    stdin: zmq.Socket[bytes]
    request: Mapping[str, Any]
    client: bytes

    async def ask(self, prompt: str, *, hidden: bool) -> str:
        """What the user types at a prompt, with the sign by which clients end the input.

        Args:
            prompt: what the user reads.
            hidden: whether the typing is unseen.
        """
        self._send(prompt, hidden=hidden)
        while (value := self._received()) is None:  # noqa: ASYNC110 - ZeroMQ sets no event
            await asyncio.sleep(_INTERVAL)
        return value

    def ask_blocking(self, prompt: str, hidden: bool) -> str:
        """What the user types at a prompt, for code that the event loop waits for.

        Args:
            prompt: what the user reads.
            hidden: whether the typing is unseen.

        Raises:
            EOFError: the input has ended.
        """
        with _uninterrupted():
            self._send(prompt, hidden=hidden)
        while True:
            with _uninterrupted():
                value = self._received()
            if value is not None:
                break
            time.sleep(_INTERVAL)
        if value == END_OF_INPUT:
            raise EOFError
        return value

    def _send(self, prompt: str, *, hidden: bool) -> None:
        while self.session.recv(self.stdin, zmq.NOBLOCK)[1] is not None:
            pass  # an answer to an earlier question, which nobody waits for any more
        self._flush()
        content = {"prompt": prompt, "password": hidden}
        self.session.send(
            self.stdin, "input_request", content, dict(self.request), ident=self.client
        )

    def _flush(self) -> None:
        """Wait until what was shown is on its way: a question must not overtake it."""
        flushed = threading.Event()
        self.schedule(flushed.set)
        flushed.wait(_FLUSH_LIMIT)

    def _received(self) -> str | None:
        """The answer, once it is there."""
        _, reply = self.session.recv(self.stdin, zmq.NOBLOCK)
        return None if reply is None else str(reply["content"].get("value", ""))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold an interrupt back for a moment: half a message on a socket would garble the next one."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread alone
        return
    held: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if held and callable(handler):
            handler(held[0], inspect.currentframe())
