"""What a session has: a working directory, and an interpreter in it, which may be another later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import zmq.asyncio

from tci_kernel.client.schema import Output
from tci_kernel.core.errors import RequestRejected
from tci_kernel.remote import loader
from tci_kernel.remote.companion import MODULE as COMPANION
from tci_kernel.remote.exchanges import Exchanges
from tci_kernel.remote.frames import Frames
from tci_kernel.remote.interpreter import DEAD, ENDED, FAILED, STARTING
from tci_kernel.server.files import Decoded
from tci_kernel.server.interpreter import Interpreter
from tci_kernel.server.janitor import Janitor
from tci_kernel.server.places.base import Place

# Seconds between looks at the process while an exchange waits, and while a cell runs: its end
# raises no event.
LOOK_INTERVAL = 1.0
BUSY_INTERVAL = 0.1


class LocalWorkspace:
    """A workspace of this process: a place, with one interpreter after another. See `Workspace`.

    Args:
        place: where it is.
        context: the ZeroMQ context that all interpreters of a server share.
        janitor: told of each interpreter.

    Attributes:
        session_id: of the session that it is for.
        interpreter: the present one.
    """

    def __init__(self, place: Place, context: zmq.asyncio.Context, janitor: Janitor) -> None:
        self.session_id = place.session_id
        self._place = place
        self._context = context
        self._janitor = janitor
        self._exchanges: Exchanges | None = None
        self._starting: asyncio.Task[None] | None = None
        self._calling = asyncio.Lock()  # what the interpreter is asked to run, one after another
        self._told: Interpreter | None = None  # of whose death its call has told
        self._news = asyncio.Event()
        self.interpreter = Interpreter(place, context, janitor)

    async def start(self) -> None:
        """Start the first interpreter.

        Raises:
            RequestRejected: it did not start; the text says what it printed.
        """
        await self.interpreter.start()

    async def execute(self, code: str, files: Decoded) -> list[Output]:
        """See `Workspace`."""
        async with self._calling:
            lost = await self._ensure_alive()
            interpreter = self.interpreter
            await self._place.write(files, interpreter.calls.run_quietly)
            outputs = await interpreter.calls.execute(code)
            if not await interpreter.is_alive():
                self._told = interpreter
        return [Output("stderr", lost), *outputs] if lost else outputs

    async def exchange(
        self, request: dict[str, Any], files: Mapping[int, Decoded]
    ) -> tuple[str, int]:
        """See `Workspace`."""
        await self.interpreter.is_alive()  # what a dead one is sent starts another
        exchanges = self._begun_exchanges()
        await self._write_new(exchanges.taken(request["client"]), files)
        exchange = exchanges.begin(request)
        while True:
            news = self._news
            pause = exchanges.pause(exchange)
            if not pause:
                return exchanges.answer(exchange), exchange.cells
            interval = BUSY_INTERVAL if exchanges.is_busy else LOOK_INTERVAL
            try:
                async with asyncio.timeout(min(pause, interval)):
                    await news.wait()
            except TimeoutError:
                await self.interpreter.is_alive()

    async def _write_new(self, taken: int, files: Mapping[int, Decoded]) -> None:
        """Write the files of messages that were not taken yet; `taken` is the last that was."""
        for theirs in [files[number] for number in sorted(files) if number > taken]:
            if theirs:
                async with self._calling:
                    await self._ensure_alive()
                    await self._place.write(theirs, self.interpreter.calls.run_quietly)

    async def hello(self) -> str:
        """See `Workspace`."""
        return self._begun_exchanges().hello()

    def _begun_exchanges(self) -> Exchanges:
        """The exchanges with the interpreter, which begin when they are first asked for."""
        if self._exchanges is None:
            companion = loader.launch("companion", COMPANION)
            self._exchanges = Exchanges(self._follow, companion, self._wake)
        return self._exchanges

    async def tidy(self) -> None:
        """See `Workspace`."""
        if not await self.interpreter.is_alive() and self.interpreter.state == DEAD:
            self.interpreter.end()

    async def close(self, reason: str) -> None:
        """See `Workspace`."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        await self.interpreter.close(reason)
        self._wake()
        await asyncio.to_thread(self._place.close)

    # -- one interpreter after another -------------------------------------------------------

    async def _ensure_alive(self) -> str:
        """Have one that is idle; gives what who calls must know of the end of the one before it."""
        old = self.interpreter
        await old.calls.wait_until_idle()
        if old.state != STARTING and await old.is_alive():
            return ""
        if old.state in ENDED:
            self._restart()
        assert self._starting is not None  # noqa: S101 - one has just begun to start
        await asyncio.shield(self._starting)
        if self.interpreter.state == FAILED:
            raise RequestRejected(
                f"The interpreter did not start: {self.interpreter.reason}",
                status=500,
                code="interpreter_failed",
            )
        if old is self._told or old.state != DEAD:
            return ""
        return f"The interpreter has ended ({old.reason}): this is a new one, without variables.\n"

    def _restart(self) -> None:
        if self._exchanges is not None:
            self._exchanges.restart()
        else:
            self._begin(self.interpreter.number + 1)

    def _follow(
        self, number: int, receive: Callable[[Frames], None], change: Callable[[], None]
    ) -> Interpreter:
        """The interpreter for exchanges: the present one at first, then one after another."""
        del change  # it is looked at
        if self._exchanges is not None:
            self._begin(number)
        self.interpreter.listen(receive, self._is_busy)
        return self.interpreter

    def _is_busy(self) -> bool:
        return self._exchanges is not None and self._exchanges.is_busy

    def _begin(self, number: int) -> None:
        """Begin to start another interpreter in the place of the present one."""
        old = self.interpreter
        old.end()
        self.interpreter = Interpreter(self._place, self._context, self._janitor, number)
        self._starting = asyncio.create_task(self._start_after(old))

    async def _start_after(self, old: Interpreter) -> None:
        assert old.closing is not None  # noqa: S101 - `end` has made it
        await old.closing
        with suppress(RequestRejected):  # its state says so
            await self.interpreter.start()
        self._wake()

    def _wake(self) -> None:
        """Have all exchanges that wait look whether they are to be answered."""
        news, self._news = self._news, asyncio.Event()
        news.set()
