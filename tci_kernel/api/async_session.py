"""A session, for programs with an event loop."""

from __future__ import annotations

import asyncio
import math
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Self

from tci_kernel.api.advice import advising
from tci_kernel.api.events import Collector, Event, Question, Result
from tci_kernel.api.execution import Asking, Execution
from tci_kernel.api.transfers import Path, Transferred, transferred
from tci_kernel.core.cell import END_OF_INPUT, Cell
from tci_kernel.core.errors import TCIError, UsageError
from tci_kernel.core.messages import Message
from tci_kernel.runtime import Runtime
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.download import Download
from tci_kernel.transfer.listing import Entry, check_session, listing, remove
from tci_kernel.transfer.sources import find_sources
from tci_kernel.transfer.upload import Upload

# Seconds that a session has to end in when it is closed; else it ends by itself, in its time.
END_LIMIT = 5.0

# Messages that are kept of what comes in a session while nothing runs in it.
LATE = 1_000


class AsyncSession:
    """A session at a service. It does one thing at a time, and belongs to one event loop.

    `AsyncClient.session` makes it. Nothing is sent, and no session begun, before something is asked
    for. When it is closed, code that still runs is stopped, and a session that began here ends
    where the service can do that; Together's can't, and lets it expire.

    Args:
        runtime: gives the way to the service.
        on_close: told once it is closed.
        session_id: the session to join; empty for a new one.
        keep: whether it goes on when it is closed here.
    """

    def __init__(
        self,
        runtime: Callable[[], Awaitable[Runtime]],
        on_close: Callable[[AsyncSession], None],
        session_id: str = "",
        *,
        keep: bool = False,
    ) -> None:
        self._runtime, self._on_close = runtime, on_close
        self._joined, self._keep = session_id, keep
        self._remote: RemoteSession | None = None
        self._execution: Execution | None = None
        self._late: deque[Message] = deque(maxlen=LATE)
        self._number = 1
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def id(self) -> str:
        """The session's id, by which others can join it; empty while there is none."""
        return self._joined if self._remote is None else self._remote.id or ""

    # -- code --------------------------------------------------------------------------------

    async def execute(
        self,
        code: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it is the code that it ends
        answer: Callable[[Question], Awaitable[str]] | None = None,
    ) -> AsyncGenerator[Event]:
        """Run code, and yield what comes of it while it runs; its `Reply` last.

        It begins the session if there is none yet. An exception of the code is an `Error` among the
        events. Who leaves the iteration early stops the code: iterate within
        `contextlib.aclosing`, which has that done at once.

        Args:
            code: Python, sent as it is; IPython's syntax works where the session has an IPython.
            timeout: seconds after which it is interrupted; `RemoteSession.cell_timeout` if None.
            answer: gives what the code asks for with `input()`. EOFError ends the input. Without
                it, `input()` fails.

        Raises:
            CellTimeout: it took longer.
            TCIError: it did not run, or what became of it is not known; `may_have_run` says which.
        """
        execution = await self.begin(code, limit=timeout, may_ask=answer is not None)
        try:
            with advising():
                while (item := await execution.next()) is not None:
                    if not isinstance(item, Asking):
                        yield item
                    elif answer is not None:
                        await item.answer(await _answered(answer, item.question))
        finally:
            await self.finish(execution)

    async def run(
        self,
        code: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it is the code that it ends
        answer: Callable[[Question], Awaitable[str]] | None = None,
    ) -> Result:
        """Run code to its end, and give all that came of it.

        Args:
            code: as of `execute`.
            timeout: as of `execute`.
            answer: as of `execute`.

        Raises:
            TCIError: as `execute`. An exception of the code is in the result; its
                `raise_for_error()` raises it.
        """
        collector = Collector()
        async with aclosing(self.execute(code, timeout=timeout, answer=answer)) as events:
            async for event in events:
                collector.add(event)
        return collector.result()

    def interrupt(self) -> None:
        """Stop the code that runs, if some does, as Ctrl-C does. Its events go on to their end.

        Where the service has no way to stop code, it ends the wait.
        """
        if self._execution is not None:
            self._execution.interrupt()

    async def begin(self, code: str, *, limit: float | None, may_ask: bool) -> Execution:
        """Begin what `execute` does, for who takes its events in another way; then `finish` it.

        Args:
            code: as of `execute`.
            limit: the `timeout` of `execute`.
            may_ask: whether somebody answers its questions.

        Raises:
            TCIError: nothing was sent.
        """
        if limit is not None and not 0 < limit < math.inf:
            raise UsageError(f"The timeout is {limit!r}, and no number of seconds above 0.")
        remote = await self._take()
        late, self._late = self._late, deque(maxlen=LATE)
        cell = Cell(code, self._number)
        self._execution = Execution(remote, cell, late, limit=limit, may_ask=may_ask)
        return self._execution

    async def finish(self, execution: Execution) -> None:
        """Be done with what was begun: code that still runs is stopped."""
        try:
            await execution.stop()
        finally:
            self._number = execution.number + 1
            if self._execution is execution:
                self._execution = None
                self._idle.set()

    # -- files -------------------------------------------------------------------------------

    async def upload(self, *paths: Path, to: str = ".", exclude: Sequence[str] = ()) -> Transferred:
        """Copy files, directories and what patterns match into the session.

        It begins the session if there is none yet. What is there under the same name is replaced.
        In directories and patterns, what git ignores is left out.

        Args:
            paths: on this computer.
            to: a directory there; made if it is missing.
            exclude: patterns of what to leave out, as in a `.gitignore`.

        Raises:
            FileError: something is missing or can't be read; nothing has changed.
            TransferFailed: it broke off; what had arrived is whole.
            TCIError: as `execute`.
        """
        named = [os.fspath(path) for path in paths]
        sources = await asyncio.to_thread(find_sources, named, exclude)
        async with self._alone() as remote:
            return await transferred(Upload(remote, sources, to))

    async def download(self, *paths: str, to: Path = ".", force: bool = False) -> Transferred:
        """Copy files, directories and what patterns match from the session.

        Args:
            paths: there.
            to: a directory on this computer or, of one file or directory, its new path.
            force: whether files that exist are replaced.

        Raises:
            FileError: something is missing, or is there already; nothing has changed.
            TransferFailed: it broke off; what had arrived is whole.
            TCIError: as `execute`.
        """
        async with self._alone() as remote:
            check_session(remote)
            return await transferred(Download(remote, paths, os.fspath(to), force=force))

    async def files(self, path: str = ".") -> list[Entry]:
        """What is in a directory of the session, or the one entry of a file.

        Raises:
            FileError: there is no session yet, or nothing at the path.
            TCIError: as `execute`.
        """
        async with self._alone() as remote:
            return (await listing(remote, path))[1]

    async def remove(self, *paths: str, recursive: bool = False) -> int:
        """Remove what paths and patterns stand for; gives how many files and directories it was.

        Args:
            paths: in the session.
            recursive: whether directories go, with all that is in them.

        Raises:
            FileError: something is missing, or must not go; nothing has changed.
            TCIError: as `execute`.
        """
        async with self._alone() as remote:
            return await remove(remote, paths, recursive=recursive)

    # -- its end -----------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Stop code that runs, wait for a transfer, and let go of the session; see the class."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._execution is not None:
            await self.finish(self._execution)
        await self._idle.wait()
        remote, self._remote = self._remote, None
        if remote is not None:
            self._joined = remote.id or ""
            if remote.is_own and remote.can_end and not self._keep:
                with suppress(TCIError, TimeoutError):
                    async with asyncio.timeout(END_LIMIT):
                        await remote.end()
            await remote.release()
        self._on_close(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # -- the session below -------------------------------------------------------------------

    async def _take(self) -> RemoteSession:
        """The session, for one thing at a time: until it is idle again."""
        self._check_open()
        if not self._idle.is_set():
            raise UsageError(
                "The session is busy: it does one thing at a time.",
                advice="Take all events of what runs, or close their iteration; or use one more "
                "session.",
            )
        self._idle.clear()
        try:
            runtime = await self._runtime()
            self._check_open()
        except BaseException:
            self._idle.set()
            raise
        if self._remote is None:
            self._remote = runtime.new_session(self._keep_late)
            if self._joined:
                self._remote.attach(self._joined)
        return self._remote

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("The session is closed here.", advice="`client.session(id)` joins it.")

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[RemoteSession]:
        with advising():
            remote = await self._take()
            try:
                yield remote
            finally:
                self._idle.set()

    async def _keep_late(self, message: Message) -> None:
        self._late.append(message)


async def _answered(answer: Callable[[Question], Awaitable[str]], question: Question) -> str:
    try:
        return await answer(question)
    except EOFError:
        return END_OF_INPUT
