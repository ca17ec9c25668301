"""Code that runs: what comes of it waits here until it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace

from tci_kernel.api.events import Event, Question, Reply, event_of
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import Interrupted, TCIError, UsageError
from tci_kernel.core.messages import Message, error_of, reply
from tci_kernel.session.session import RemoteSession

# Events that wait to be taken, beyond which no more are fetched.
WAITING = 1_000

# Seconds that code has to stop in once nobody takes its events any more.
STOP_LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class Asking:
    """A question of the code, and where its answer goes."""

    question: Question
    answered: asyncio.Future[str]

    async def answer(self, text: str) -> None:
        """Give the answer. The code may have ended meanwhile."""
        if not self.answered.done():
            self.answered.set_result(text)


class Execution:
    """Code that runs in a session, from the moment at which this is made.

    A task takes what comes of it, so that it does not matter which tasks ask for that.

    Args:
        session: where it runs.
        cell: the code; its `frontend` is added if it may ask.
        late: what came in the session after the code before had ended; goes first.
        limit: seconds that it may take; as long as is set if None.
        may_ask: whether somebody answers its questions.

    Attributes:
        number: the one that it has in the session, as far as is known.
    """

    def __init__(
        self,
        session: RemoteSession,
        cell: Cell,
        late: Iterable[Message],
        *,
        limit: float | None,
        may_ask: bool,
    ) -> None:
        self.number = cell.number
        self._session = session
        self._limit = limit
        self._items: asyncio.Queue[Event | Asking | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(WAITING)
        self._is_interrupted = self._is_left = False
        for message in late:
            self._items.put_nowait(event_of(message))
        if may_ask:
            cell = replace(cell, frontend=_Frontend(self._items))
        self._running = asyncio.create_task(self._run(cell))
        self._running.add_done_callback(lambda _running: self._items.put_nowait(None))

    async def next(self) -> Event | Asking | None:
        """The next event or question; None once all have been given.

        Raises:
            UsageError: the session was closed meanwhile.
            TCIError: the code did not run, or what became of it is not known.
        """
        item = await self._items.get()
        if item is None:
            self._items.put_nowait(None)  # for who asks again
            if self._is_left:
                raise UsageError("The session has been closed here.", fate="The code was stopped.")
            return self._running.result()
        if not isinstance(item, Asking):
            self._room.release()
        if isinstance(item, Reply):
            self.number = item.number
        return item

    def interrupt(self) -> None:
        """Stop the code where it runs, as Ctrl-C does. What runs nowhere yet is not sent."""
        if not self._running.done() and not self._session.interrupt():
            self._is_interrupted = True
            self._running.cancel()

    async def stop(self) -> None:
        """Stop the code if it runs, and drop what has come of it. It has `STOP_LIMIT` to stop."""
        self._is_left = True
        self._room.release()
        try:
            if not self._running.done():
                self.interrupt()
                await asyncio.wait({self._running}, timeout=STOP_LIMIT)
        finally:
            self._running.cancel()
            await asyncio.wait({self._running})
            if not self._running.cancelled():
                self._running.exception()  # asyncio complains of one that nobody has asked for

    async def _run(self, cell: Cell) -> None:
        default = self._session.cell_timeout
        try:
            self._session.cell_timeout = self._limit or default
            async with aclosing(self._session.run(cell)) as messages:
                async for message in messages:
                    await self._put(message)
        except Interrupted as interrupted:
            await self._put_interrupted(cell, interrupted)
        except asyncio.CancelledError:
            if not self._is_interrupted:
                raise
            await self._put_interrupted(cell, Interrupted("stopped.", fate="The code did not run."))
        finally:
            self._session.cell_timeout = default

    async def _put_interrupted(self, cell: Cell, interrupted: TCIError) -> None:
        """End as code does that was interrupted in its interpreter."""
        failure = error_of(interrupted)
        await self._put(failure)
        await self._put(reply(cell.number, failure))

    async def _put(self, message: Message) -> None:
        if not self._is_left:
            await self._room.acquire()
            self._items.put_nowait(event_of(message))


class _Frontend:
    """Puts the code's questions among its events. See `Frontend`."""

    takes_questions = True

    def __init__(self, items: asyncio.Queue[Event | Asking | None]) -> None:
        self._items = items

    async def ask(self, prompt: str, *, hidden: bool) -> str:
        """See `Frontend.ask`."""
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._items.put_nowait(Asking(Question(prompt, hidden), answered))
        return await answered
