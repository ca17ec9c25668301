"""Looks after the session between cells: moves out of it in time, and saves it now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tci_kernel.core.errors import TCIError

if TYPE_CHECKING:
    from tci_kernel.session.session import RemoteSession
    from tci_kernel.transfer.migration import Migration

# Where the session is saved by itself, beside the notebook.
AUTOSAVE = "autosave.tci"


class Notebook(Protocol):
    """What sits in front of the session."""

    @property
    def runs_cell(self) -> bool:
        """Whether a cell runs."""

    async def warn(self, text: str) -> None:
        """Have the user read something with the cell that runs."""

    def show_with_next_cell(self, lines: Sequence[str]) -> None:
        """Have the user read something with the next cell."""

    def keep_session(self) -> None:
        """Take note of the session, for a kernel in this one's place."""


class Upkeep:
    """Does what is due while no cell runs; the next cell waits until it is done.

    Args:
        notebook: whose session it is.
    """

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._watching: list[asyncio.Task[None]] = []
        self._work: asyncio.Task[None] | None = None
        self._stays_in: str | None = None  # from where a move has failed
        self._saved_at = time.monotonic()
        self._has_news = False  # since then

    def watch(self, session: RemoteSession) -> None:
        """Do what is due, once it is. Called whenever a cell has ended."""
        self._has_news = True
        self._look(session)

    def _look(self, session: RemoteSession) -> None:
        for task in self._watching:
            task.cancel()
        duties = []
        if session.on_expiry == "migrate":
            duties.append(self._watch_expiry(session))
        if session.autosave_minutes and self._has_news:
            duties.append(self._watch_autosave(session))
        self._watching = [asyncio.create_task(duty) for duty in duties]

    async def wait(self) -> None:
        """Wait for the end of what is being done."""
        if self._work is not None:
            await asyncio.wait({self._work})

    async def aclose(self) -> None:
        """Look no more, and break off what is being done."""
        tasks = {*self._watching, *([self._work] if self._work else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, work: Coroutine[Any, Any, None], session: RemoteSession) -> None:
        """Do something now; look for what is due next once it is done."""

        async def done() -> None:
            try:
                await work
            finally:
                self._work = None
            self._look(session)

        self._work = asyncio.create_task(done())

    # -- moving ------------------------------------------------------------------------------

    async def _watch_expiry(self, session: RemoteSession) -> None:
        left = await session.seconds_to_move()
        if left is None or session.id == self._stays_in:
            return
        await asyncio.sleep(max(left, 0.0))
        await self.wait()
        if not self._notebook.runs_cell:
            self._begin(self._move(session), session)
        elif warning := await session.warning():
            await self._notebook.warn(warning)

    async def _move(self, session: RemoteSession) -> None:
        from tci_kernel.transfer.migration import Migration  # noqa: PLC0415 - most never move

        old = session.id or ""
        try:
            migration = Migration(session)
            await migration.run()
        except TCIError as error:
            self._stays_in = old
            self._notebook.show_with_next_cell(
                [f"The notebook stays in {old}, which ends soon: {error.what}", "%tci migrate"]
            )
        else:
            self._notebook.show_with_next_cell(moved(migration, old, session.id or ""))
            self._notebook.keep_session()

    # -- saving ------------------------------------------------------------------------------

    async def _watch_autosave(self, session: RemoteSession) -> None:
        due = self._saved_at + 60 * session.autosave_minutes
        await asyncio.sleep(max(due - time.monotonic(), 0.0))
        await self.wait()
        if not self._notebook.runs_cell and session.takes_hidden_cells:
            self._begin(self._save(session), session)

    async def _save(self, session: RemoteSession) -> None:
        from tci_kernel.transfer.state import Save  # noqa: PLC0415 - most never save

        self._has_news = False
        try:
            await Save(session, Path(AUTOSAVE)).run()
        except TCIError as error:
            self._notebook.show_with_next_cell([f"The session could not be saved: {error.what}"])
        finally:
            self._saved_at = time.monotonic()


def moved(migration: Migration, old: str, new: str) -> list[str]:
    """What the user reads of a move from a session to another one."""
    lost = [*migration.saved.lost, *migration.loaded.failed]
    if not lost:
        return [f"The notebook has moved to {new}, with all that it had in {old}."]
    lines = [f"The notebook has moved to {new}. What it had in {old} is there, but for:"]
    return [*lines, *(f"  {name}: {reason}" for name, reason in lost), *migration.loaded.notes]
