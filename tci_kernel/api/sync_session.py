"""A session, for scripts and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Self

from tci_kernel.api.advice import advising
from tci_kernel.api.async_session import AsyncSession
from tci_kernel.api.events import Collector, Event, Question, Result
from tci_kernel.api.execution import Asking
from tci_kernel.api.loop_thread import LoopThread
from tci_kernel.api.transfers import Path, Transferred
from tci_kernel.core.cell import END_OF_INPUT
from tci_kernel.transfer.listing import Entry


class Session:
    """As `AsyncSession`, for scripts and notebooks. Any thread may call it.

    `Client.session` makes it.

    Args:
        session: what it is a face of.
        loop: runs that.
        client: is closed where nothing has it any more; so its sessions have it.
    """

    def __init__(self, session: AsyncSession, loop: LoopThread, client: object) -> None:
        self._session = session
        self._loop = loop
        self._client = client

    @property
    def id(self) -> str:
        """The session's id, by which others can join it; empty while there is none."""
        return self._session.id

    def execute(
        self,
        code: str,
        *,
        timeout: float | None = None,
        answer: Callable[[Question], str] | None = None,
    ) -> Generator[Event]:
        """Run code, and yield what comes of it while it runs; its `Reply` last.

        It begins the session if there is none yet. An exception of the code is an `Error` among the
        events. Who leaves the loop early stops the code: by `break`, by an exception, by Ctrl-C.

        Args:
            code: Python, sent as it is; IPython's syntax works where the session has an IPython.
            timeout: seconds after which it is interrupted; `RemoteSession.cell_timeout` if None.
            answer: gives what the code asks for with `input()`, in the thread of the loop. EOFError
                ends the input. Without it, `input()` fails.

        Raises:
            CellTimeout: it took longer.
            TCIError: it did not run, or what became of it is not known; `may_have_run` says which.
        """
        begun = self._session.begin(code, limit=timeout, may_ask=answer is not None)
        execution = self._loop.call(begun)
        try:
            with advising():
                while (item := self._loop.call(execution.next())) is not None:
                    if not isinstance(item, Asking):
                        yield item
                    elif answer is not None:
                        self._loop.call(item.answer(_answered(answer, item.question)))
        finally:
            self._loop.tidy_up(self._session.finish(execution))

    def run(
        self,
        code: str,
        *,
        timeout: float | None = None,
        answer: Callable[[Question], str] | None = None,
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
        with closing(self.execute(code, timeout=timeout, answer=answer)) as events:
            for event in events:
                collector.add(event)
        return collector.result()

    def interrupt(self) -> None:
        """Stop the code that runs, if some does, as Ctrl-C does: from another thread.

        Its events go on to their end. Where the service has no way to stop code, it ends the wait.
        """
        self._loop.call(self._interrupt())

    def upload(self, *paths: Path, to: str = ".", exclude: Sequence[str] = ()) -> Transferred:
        """Copy files, directories and what patterns match into it. See `AsyncSession.upload`."""
        return self._loop.call(self._session.upload(*paths, to=to, exclude=exclude))

    def download(self, *paths: str, to: Path = ".", force: bool = False) -> Transferred:
        """Copy files, directories and what patterns match from it. See `AsyncSession.download`."""
        return self._loop.call(self._session.download(*paths, to=to, force=force))

    def files(self, path: str = ".") -> list[Entry]:
        """What is in a directory of it, or the one entry of a file. See `AsyncSession.files`."""
        return self._loop.call(self._session.files(path))

    def remove(self, *paths: str, recursive: bool = False) -> int:
        """Remove what paths and patterns stand for; gives how many. See `AsyncSession.remove`."""
        return self._loop.call(self._session.remove(*paths, recursive=recursive))

    def close(self) -> None:
        """Stop what runs, and let go of the session; it ends as `AsyncSession` says."""
        self._loop.tidy_up(self._session.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _interrupt(self) -> None:
        self._session.interrupt()


def _answered(answer: Callable[[Question], str], question: Question) -> str:
    try:
        return answer(question)
    except EOFError:
        return END_OF_INPUT
