"""One session at the service, from lazily begun to expired, and the cells that run in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.core.cell import Cell, File
from tci_kernel.core.errors import SessionExpired, TCIError
from tci_kernel.core.messages import Message, stream
from tci_kernel.core.text import wrapped
from tci_kernel.remote import loader
from tci_kernel.session.automatic import AutomaticRunner, Execution
from tci_kernel.session.direct import programs
from tci_kernel.session.direct.runner import DirectRunner
from tci_kernel.session.identity import SessionIdentity
from tci_kernel.session.live.pending import new_header
from tci_kernel.session.live.runner import LiveRunner
from tci_kernel.session.notice import Notice, noticed
from tci_kernel.session.replay import replay


async def ignored(_message: Message) -> None:
    """Publish nothing, where nobody listens."""


class RemoteSession(SessionIdentity):
    """A session at the service. It begins with the first cell that is run.

    Args:
        client: how the service is reached.
        opener: starts a session without running code, where that is possible and costs nothing.
        listener: publishes what comes of a session while no cell runs in it.
        execution: how cells are run.
        subshell: the name of a subshell in which `call` runs its programs, so that they don't wait
            for a running cell; empty for none. Live it is made where the interpreter has any.
    """

    def __init__(
        self,
        client: TCIClient,
        opener: Callable[[], Awaitable[str]] | None = None,
        listener: Callable[[Message], Awaitable[None]] = ignored,
        execution: Execution = Execution.AUTO,
        subshell: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(client, **kwargs)
        self._opener = opener
        self._made_with = (opener, listener, execution)
        self._subshell = subshell
        self._opening = asyncio.Lock()
        # A server of our own stops code whose caller hangs up.
        direct = DirectRunner(client, self._state, self, stops_code=opener is not None)
        live = LiveRunner(client, self._state, self, listener)
        # Who wants nothing of ours in the session gets the bare contract.
        execution = execution if self.use_helper else Execution.DIRECT
        self._runner = AutomaticRunner(live, direct, self._state, execution)
        self._late: set[asyncio.Task[Any]] = set()

    @property
    def origin(self) -> str | None:
        """The directory in which the session began, where its interpreter could say so."""
        return self._runner.origin

    @property
    def takes_hidden_cells(self) -> bool:
        """Whether code that the user did not run may run: it must not buy a session."""
        has_one = self.id is not None or self._opener is not None
        return has_one and self._unnoticed is None

    @property
    def is_restartable(self) -> bool:
        """Whether the interpreter can begin anew in the same session."""
        return self._runner.is_restartable

    async def facts(self) -> Sequence[tuple[str, str]]:
        """What there is to say of how cells are run, each with a name, for the user to read."""
        return await self._runner.facts()

    async def join(self, cell: Cell) -> AsyncGenerator[Message]:
        """Yield what runs in a session that was attached to, until it ends.

        Args:
            cell: who sits in front of it.

        Raises:
            TCIError: as `run`.
        """
        async with aclosing(self._concluded(self._runner.join(cell))) as messages:
            async for message in messages:
                yield message

    def successor(self) -> RemoteSession:
        """Another session of the same kind, which is yet to begin: to be moved to, or released."""
        return RemoteSession(self._client, *self._made_with, parent=self.parent)

    async def open(self) -> None:
        """Start a session now, where that costs nothing; else with the first cell."""
        async with self._opening:
            if self.id is None and self._opener is not None:
                self._state.begin(await self._opener())
                await self._runner.prepare()

    async def run(self, cell: Cell) -> AsyncGenerator[Message]:
        """Run a cell and yield what it produces, its reply last. See `Runner.run`.

        Raises:
            TCIError: the cell did not run, or what became of it is not known.
        """
        try:
            if not cell.hidden:
                self.raise_expired()
            async with aclosing(self._run(cell)) as messages:
                async for message in messages:
                    yield message
        except SessionExpired as expired:
            async with aclosing(self._after_expiry(cell, expired)) as messages:
                async for message in messages:
                    yield message

    async def request(self, request: Message) -> Message | None:
        """Ask the interpreter something, if there is one. See `Runner.request`."""
        return await self._runner.request(request)

    def interrupt(self) -> bool:
        """Stop the running cell; whether there is one that can be. See `Runner.interrupt`."""
        return self._runner.interrupt()

    def replayable(self) -> list[Cell]:
        """The cells that a replay runs again, in order."""
        return self._state.replayable()

    async def replay(
        self, *, interactive: bool, first: int = 1, last: int | None = None
    ) -> AsyncGenerator[Message]:
        """Run the replayable cells again, in order, in a new session.

        Args:
            interactive: whether to show how far it is.
            first: the number of the first cell to run.
            last: the number of the last one; None for all.

        Raises:
            ReplayFailed: a cell failed; none after it has run. All are kept for another replay.
            TCIError: as `run`.
        """
        kept = self.replayable()
        cells = [cell for cell in kept if first <= cell.number <= (last or cell.number)]
        self.forget()
        notice = Notice(enabled=interactive and self.show_progress)
        self._state.set_replayable([])
        is_complete = False
        try:
            async with aclosing(noticed(replay(cells, self._run), notice)) as messages:
                async for message in messages:
                    yield message
            is_complete = True
        finally:
            if not is_complete:
                self._state.set_replayable(kept)

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
        self.raise_expired()
        header = None
        if self._subshell:
            header = {**new_header("execute_request"), "subshell_id": self._subshell}
        cell = Cell(loader.program(program, arguments), hidden=True, files=files, header=header)
        async with aclosing(self._run(cell)) as messages:
            return programs.answer([message async for message in messages])

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
        calling = asyncio.create_task(self.call(program, **arguments))
        self._late.add(calling)
        calling.add_done_callback(self._finish)
        # One that takes longer goes on: to hang up would interrupt it at any point.
        await asyncio.wait({calling}, timeout=limit)
        is_answered = calling.done() and not calling.cancelled() and calling.exception() is None
        return calling.result() if is_answered else None

    def _finish(self, calling: asyncio.Task[Any]) -> None:
        """Note what a call has met that nobody may wait for any more."""
        self._late.discard(calling)
        error = None if calling.cancelled() else calling.exception()
        if isinstance(error, SessionExpired):
            self._unnoticed = error

    async def rest(self) -> None:
        """Let go of the session, and of its subshell there, until it is used again."""
        if self._subshell:
            await self.request(Message("delete_subshell_request", {"subshell_id": self._subshell}))
        await self.release()

    async def release(self) -> None:
        """Let go of the session, which goes on. The client stays open."""
        for calling in self._late:
            calling.cancel()
        self._state.expiry.close()
        await self._runner.aclose()

    async def aclose(self) -> None:
        """Let go of the session, which goes on, and of the connections."""
        await self.release()
        await self._client.aclose()

    # -- a cell's way there and back ---------------------------------------------------------

    async def _run(self, cell: Cell) -> AsyncGenerator[Message]:
        await self.open()
        async with aclosing(self._concluded(self._runner.run(cell))) as messages:
            async for message in messages:
                self._is_resumed = False
                if message.type == "execute_reply" and not cell.hidden:
                    self._state.expiry.ask_once()
                    if self.on_expiry != "migrate" and (warning := await self.warning()):
                        yield stream("stderr", warning)
                yield message

    async def _concluded(self, messages: AsyncGenerator[Message]) -> AsyncGenerator[Message]:
        """Messages of the runner; what ends them is understood in the light of the session."""
        try:
            async with aclosing(messages):
                async for message in messages:
                    yield message
        except TCIError as error:
            concluded = await self._state.draw_conclusion(error)
            if concluded is error:
                raise
            raise concluded from error

    async def _after_expiry(self, cell: Cell, expired: SessionExpired) -> AsyncGenerator[Message]:
        """What becomes of a cell that has met an expired session, and has not run.

        Raises:
            SessionExpired: that is told.
        """
        is_resumed, self._is_resumed = self._is_resumed, False
        if cell.hidden:
            self._unnoticed = None if is_resumed else expired
            raise expired
        if is_resumed:
            yield stream("stderr", "The session has expired meanwhile: this is a new one.\n")
            again = self._run(cell)
        elif self.on_expiry == "replay":
            again = self._run_again(cell, expired)
        else:
            raise expired
        async with aclosing(again) as messages:
            async for message in messages:
                yield message

    async def _run_again(self, cell: Cell, expired: SessionExpired) -> AsyncGenerator[Message]:
        """Run the cells of an expired session again in a new one, and then a cell."""
        yield stream("stderr", wrapped(f"{expired.what.splitlines()[0]}\n"))
        async with aclosing(self.replay(interactive=cell.interactive)) as messages:
            async for message in messages:
                yield message
        yield stream("stderr", f"{self.replayed()}\n")
        async with aclosing(self._run(cell)) as messages:
            async for message in messages:
                yield message
