"""One TCI session's life, from lazily created to expired, and the cells that run in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from traitlets import Bool, Enum, Float, Int
from traitlets.config import Configurable

from tci_kernel.client.client import TCIClient
from tci_kernel.client.schema import ExecuteResponse, File
from tci_kernel.config.traits import Seconds
from tci_kernel.core.errors import (
    RemoteCallFailed,
    SessionExpired,
    TCIError,
)
from tci_kernel.core.messages import Event, Stream
from tci_kernel.session.direct import helper, programs
from tci_kernel.session.direct.sending import Cell, deliver
from tci_kernel.session.notice import Notice
from tci_kernel.session.replay import replay
from tci_kernel.session.state import SessionLife


class RemoteSession(Configurable):
    """A session at the service. It begins with the first cell that is run.

    Args:
        client: how the service is reached.
        opener: starts a session without running code, where that is possible and costs nothing.
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

    transfer_size = Int(
        4_000_000,
        min=65_536,
        help="Bytes of files in one request, or in its answer. A service that finds requests too "
        "large (HTTP 413) may take smaller ones.",
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
        self._life = SessionLife(client)
        # An expiry that hidden code met and that the user has yet to hear of.
        self._untold: SessionExpired | None = None

    @property
    def id(self) -> str | None:
        """The session's id; None while there is none."""
        return self._life.id

    @property
    def origin(self) -> str | None:
        """The directory in which the session began, where its interpreter could say so."""
        return self._life.link.origin

    @property
    def cells_run(self) -> int:
        """How many cells the user has run in the session from here."""
        return self._life.cells_run

    @property
    def takes_hidden_cells(self) -> bool:
        """Whether code that the user did not run may run: it must not buy a session."""
        has_one = self.id is not None or self._opener is not None
        return has_one and self._untold is None

    @property
    def untold(self) -> str | None:
        """The id of a session that has expired without the user's having heard of it."""
        return None if self._untold is None else self._untold.gone

    def tell(self) -> None:
        """Tell the user, once, of an expiry that nobody has told them of.

        Raises:
            SessionExpired: there was one.
        """
        untold, self._untold = self._untold, None
        if untold is not None:
            raise untold

    def attach(self, session_id: str) -> None:
        """Use a session that exists. Whether it does shows with the first cell."""
        self._life.begin(session_id)
        self._life.succeeded = []
        self._untold = None

    def forget(self) -> None:
        """Go on without a session; its cells stay known until one has run in the next."""
        self._life.begin(None)
        self._untold = None

    async def open(self) -> None:
        """Start a session now, where that costs nothing; else with the first cell."""
        async with self._opening:
            if self.id is None and self._opener is not None:
                self._life.begin(await self._opener())
                if self.use_helper:
                    await self._life.install_helper()

    async def run(self, cell: Cell) -> AsyncIterator[Event]:
        """Run a cell and yield what it produces.

        Raises:
            TCIError: the cell did not run, or what became of it is not known.
        """
        try:
            if not cell.hidden:
                self.tell()
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
            yield Stream("stderr", f"{self.replayed()}\n")
            async for event in self._run(cell):
                yield event

    def replayable(self) -> dict[int, Cell]:
        """The cells that a replay runs again, by their numbers in the notebook."""
        return {cell.number or place: cell for place, cell in enumerate(self._life.succeeded, 1)}

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
        succeeded = self._life.succeeded
        cells = [
            c for number, c in self.replayable().items() if first <= number <= (last or number)
        ]
        self.forget()
        notice = Notice(enabled=interactive and self.show_progress)
        try:
            async for event in replay(cells, self._run, notice):
                yield event
        except (TCIError, asyncio.CancelledError):
            self._life.succeeded = succeeded
            raise

    def replayed(self) -> str:
        """What a replay has just done, for the user."""
        return f"In a new session, cells were run again: {self.cells_run}."

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
        self.tell()
        await self._prepare()
        cell = Cell(programs.code(program, arguments), hidden=True)
        try:
            async for item in self._deliver(cell, files):
                if isinstance(item, ExecuteResponse):
                    answer = item
        except TCIError as error:
            raise await self._life.explained(error) from error
        for doubt in self._life.doubts(answer):
            raise RemoteCallFailed(doubt.ename, doubt.evalue)
        return programs.answer(answer.outputs)

    async def try_call(self, program: str, limit: float, **arguments: Any) -> Any:
        """As `call`, for what the user has not asked for: it begins no session.

        Args:
            program: as of `call`.
            limit: seconds that it may take.
            arguments: as of `call`.

        Returns:
            None where there is no session, or it does not answer.
        """
        if self.id is None:
            return None
        try:
            async with asyncio.timeout(limit):
                return await self.call(program, **arguments)
        except SessionExpired as expired:
            self._untold = expired
        except (TCIError, TimeoutError):
            pass
        return None

    async def ask(self, name: str, **arguments: Any) -> Any:
        """Ask the helper in the session; None where there is none, or it does not answer."""
        if self.id is None:
            return None
        return await self._life.link.call(self.id, name, **arguments)

    async def aclose(self) -> None:
        """Let go of the connections. The service ends the session itself, in its own time."""
        self._life.expiry.close()
        await self._client.aclose()

    # -- a cell's way there and back ---------------------------------------------------------

    async def _run(self, cell: Cell) -> AsyncIterator[Event]:
        await self._prepare()
        await self._life.agree_on_number(cell)
        answer = None
        try:
            async for item in self._deliver(cell):
                if isinstance(item, ExecuteResponse):
                    answer = item
                else:
                    yield item
        except TCIError as error:
            raise await self._life.explained(error) from error
        if answer is not None:
            for event in self._life.events(cell, answer):
                yield event
            if not cell.hidden:
                self._life.expiry.ask_once()
                if warning := await self._life.expiry.warning():
                    yield Stream("stderr", warning)

    async def _prepare(self) -> None:
        await self.open()
        if self.use_helper:
            await self._life.install_helper()

    def _deliver(
        self, cell: Cell, files: Sequence[File] = ()
    ) -> AsyncIterator[Event | ExecuteResponse]:
        code = helper.hidden(cell.code) if cell.hidden and self._life.link.installed else cell.code
        return deliver(
            lambda: self._client.execute(code, self.id, files),
            Notice(enabled=cell.interactive and not cell.hidden and self.show_progress),
            retry_for=self.retry_for,
            cell_timeout=self.cell_timeout,
        )
