"""One TCI session's life, from lazily created to expired, and the cells that run in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

from traitlets import Bool, Enum, Float
from traitlets.config import Configurable

from tci_kernel import helper, programs
from tci_kernel.client import TCIClient
from tci_kernel.delivery import Cell, deliver
from tci_kernel.errors import (
    ExecutionRefused,
    OutOfCredit,
    RateLimited,
    RemoteCallFailed,
    ServiceError,
    SessionChanged,
    SessionExpired,
    TCIError,
)
from tci_kernel.events import Ended, Event, Failure, Stream, outcome, with_one_failure
from tci_kernel.expiry import ExpiryWatch
from tci_kernel.failures import failure
from tci_kernel.link import HelperLink
from tci_kernel.notices import Notice
from tci_kernel.replay import replay
from tci_kernel.schema import ExecuteResponse, File, SessionInfo
from tci_kernel.traits import Seconds

_UNAUTHORIZED = 401


class RemoteSession(Configurable):
    """A session at the service. It begins with the first cell that is run.

    Args:
        client: how the service is reached.
        opener: starts a session without running code, where that is possible and costs nothing.

    Attributes:
        id: the session's id; None while there is none.
    """

    on_expiry = Enum(
        ("error", "replay"),
        default_value="error",
        help="What happens when a cell meets an expired session: 'error' fails the cell and says "
        "what is lost; 'replay' runs the session's successful cells again in a new session, and "
        "then the cell.",
    ).tag(config=True)

    retry_for = Float(
        60.0,
        min=0.0,
        help="Seconds that a cell may spend waiting to be sent again, after failures in which it "
        "surely did not run (no connection; the service is rate limited). 0: never.",
    ).tag(config=True)

    cell_timeout = Seconds(
        None,
        allow_none=True,
        help="Seconds after which a cell fails; none by default. The service documents no way to "
        "stop code: it may go on running there.",
    ).tag(config=True)

    show_progress = Bool(
        True,
        help="Show for how long a cell runs, and why it waits, in a notice that disappears when "
        "the output comes. Never shown to clients that can't be asked for input.",
    ).tag(config=True)

    use_helper = Bool(
        True,
        help="Send a helper into each session, in one hidden request when it begins. It brings "
        "back what the service's answers lose: metadata, updates of displays, the numbers of "
        "cells, completion, inspection.",
    ).tag(config=True)

    def __init__(
        self,
        client: TCIClient,
        opener: Callable[[], Awaitable[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._client = client
        self._opener = opener
        self._opening = asyncio.Lock()
        self._expiry = ExpiryWatch(self._look_up)
        self._link = HelperLink(client)
        # The user's cells, in order, for a replay.
        self._succeeded: list[Cell] = []
        self.id: str | None = None
        # An expiry that hidden code met and that the user has yet to hear of.
        self._untold: SessionExpired | None = None

    @property
    def takes_hidden_cells(self) -> bool:
        """Whether code that the user did not run may run: it must not buy a session."""
        return self.id is not None or self._opener is not None

    def attach(self, session_id: str) -> None:
        """Use a session that exists. Whether it does shows with the first cell."""
        self._begin(session_id)

    def forget(self) -> None:
        """Go on without a session; its cells stay known until the next one begins."""
        succeeded = self._succeeded
        self._begin(None)
        self._succeeded = succeeded

    async def open(self) -> None:
        """Start a session now, where that costs nothing; else with the first cell."""
        async with self._opening:
            if self.id is None and self._opener is not None:
                self._begin(await self._opener())
                if self.use_helper:
                    await self._link.install(self.id)

    async def run(self, cell: Cell) -> AsyncIterator[Event]:
        """Run a cell and yield what it produces, at most one `Failure` among it.

        Raises:
            TCIError: the cell did not run, or what became of it is not known.
        """
        try:
            if self._untold is not None and not cell.hidden:
                untold, self._untold = self._untold, None
                raise untold
            async for event in self._run(cell):
                yield event
        except SessionExpired as expired:
            if cell.hidden:
                self._untold = expired
            if cell.hidden or self.on_expiry == "error":
                raise
            yield Stream("stderr", f"{str(expired).splitlines()[0]}\n")
            async for event in self.replay(interactive=cell.interactive):
                yield event
            async for event in self._run(cell):
                yield event

    async def replay(
        self, *, interactive: bool, first: int = 1, last: int | None = None
    ) -> AsyncIterator[Event]:
        """Run this session's successful cells again, in order, in a new session.

        Args:
            interactive: whether to show how far it is.
            first: the number of the first cell to run.
            last: the number of the last one; None for all.

        Raises:
            ReplayFailed: a cell failed; none after it has run. All are kept for another replay.
            TCIError: as `run`.
        """
        succeeded = self._succeeded
        numbered = [(cell.number or number, cell) for number, cell in enumerate(succeeded, 1)]
        cells = [c for number, c in numbered if first <= number <= (last or number)]
        self.forget()
        notice = Notice(enabled=interactive and self.show_progress)
        try:
            async for event in replay(cells, self._run, notice):
                yield event
        except (TCIError, asyncio.CancelledError):
            self._succeeded = succeeded
            raise

    async def call(self, program: str, files: Sequence[File] = (), **arguments: Any) -> Any:
        """Run a program of `remote/` in the session, and begin one if there is none.

        The user's cells, their count and their names don't see it. One call at a time, and none
        beside a cell.

        Args:
            program: its file in `remote/`, without the `.py`.
            files: written into the session's working directory first.
            arguments: of its `main`; what JSON can hold.

        Returns:
            what its `main` returned.

        Raises:
            RemoteCallFailed: it failed there.
            TCIError: as `run`.
        """
        await self.open()
        await self._install_helper()
        cell = Cell(programs.code(program, arguments), hidden=True)
        try:
            async for item in self._deliver(cell, files):
                if isinstance(item, ExecuteResponse):
                    answer = item
        except TCIError as error:
            raise await self._explained(error) from error
        for doubt in self._doubts(answer):
            raise RemoteCallFailed(doubt.ename, doubt.evalue)
        return programs.answer(answer.outputs)

    async def ask(self, name: str, **arguments: Any) -> Any:
        """Ask the helper in the session; None where there is none, or it does not answer."""
        if self.id is None:
            return None
        return await self._link.call(self.id, name, **arguments)

    async def aclose(self) -> None:
        """Let go of the connections. The service ends the session itself, in its own time."""
        self._expiry.close()
        await self._client.aclose()

    # -- a session's beginning and end -------------------------------------------------------

    def _begin(self, session_id: str | None) -> None:
        self._expiry.close()
        self._expiry = ExpiryWatch(self._look_up)
        self._link = HelperLink(self._client)
        self._succeeded = []
        self.id = session_id

    async def _look_up(self) -> SessionInfo | None:
        """This session as the service lists it; None if it does not.

        Raises:
            TCIError: there is no list to be had.
        """
        sessions = {session.id: session for session in await self._client.sessions()}
        return sessions.get(self.id or "")

    async def _explained(self, error: TCIError) -> TCIError:
        """The error that the user reads: above all, whether the session is still there."""
        if self.id is None:
            if error.session_id is not None:
                self._begin(error.session_id)
            elif error.may_have_run:
                fate = "If it began a session, its id never arrived: the next cell begins another."
                error.args = (f"{error}\n{fate}",)
        elif _may_mean_expiry(error) and await self._expiry.is_gone():
            expired = SessionExpired(self.id, self._expiry.expires_at, error, len(self._succeeded))
            self.forget()
            return expired
        elif error.may_have_run:
            error.args = (f"{error}\nThe session is kept.",)
        return error

    # -- a cell's way there and back ---------------------------------------------------------

    async def _run(self, cell: Cell) -> AsyncIterator[Event]:
        await self.open()
        await self._install_helper()
        await self._agree_on_number(cell)
        answer = None
        try:
            async for item in self._deliver(cell):
                if isinstance(item, ExecuteResponse):
                    answer = item
                else:
                    yield item
        except TCIError as error:
            raise await self._explained(error) from error
        if answer is not None:
            for event in self._events(cell, answer):
                yield event
            if not cell.hidden:
                self._expiry.ask_once()
                if warning := await self._expiry.warning():
                    yield Stream("stderr", warning)

    async def _install_helper(self) -> None:
        """Install the helper if the session begins or is joined."""
        if not self.use_helper or self._link.installed is not None:
            return
        link = self._link
        session_id = await link.install(self.id)
        if self.id is None and session_id is not None:
            self._begin(session_id)
            self._link = link

    async def _agree_on_number(self, cell: Cell) -> None:
        """Give the session's next cell the number that it has in the notebook."""
        if self.id is None or not self._link.installed:
            return
        if cell.number is not None and cell.number != self._link.count:
            await self._link.call(self.id, "set_count", count=cell.number)

    def _deliver(
        self, cell: Cell, files: Sequence[File] = ()
    ) -> AsyncIterator[Event | ExecuteResponse]:
        code = helper.hidden(cell.code) if cell.hidden and self._link.installed else cell.code
        return deliver(
            lambda: self._client.execute(code, self.id, files),
            Notice(enabled=cell.interactive and not cell.hidden and self.show_progress),
            retry_for=self.retry_for,
            cell_timeout=self.cell_timeout,
        )

    def _events(self, cell: Cell, answer: ExecuteResponse) -> list[Event]:
        """What an answer holds, and what the session learns from it."""
        said = list(helper.events(answer.outputs))
        ends = [event for event in said if isinstance(event, Ended)]
        if ends:
            self._link.count = ends[-1].count
        events = [*said, *self._doubts(answer)]
        if not cell.hidden and outcome(events) is None:
            self._succeeded.append(cell)
        return events if ends else with_one_failure(events)

    def _doubts(self, answer: ExecuteResponse) -> Iterator[Failure]:
        """What an answer says beside its outputs that the user must know."""
        if answer.errors:
            text = "\n".join(answer.errors)
            yield Failure("ServiceError", text, [f"ServiceError: {text}"])
        old, new = self.id, answer.session_id
        if new is None and old is None:
            text = "The service named no session: the next cell begins a new one."
            yield Failure.from_error(failure("body", text))
        elif new is not None and new != old:
            self._begin(new)
            if old is not None:
                yield Failure.from_error(SessionChanged(old, new))


def _may_mean_expiry(error: TCIError) -> bool:
    """Whether an error may stand for an expired session. How the service says it is not known."""
    if isinstance(error, (OutOfCredit, RateLimited)):
        return False
    if isinstance(error, ServiceError):
        return error.status != _UNAUTHORIZED
    return isinstance(error, ExecutionRefused)
