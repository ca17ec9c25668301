"""Moves a notebook on to a new session before its own expires, where the user wants that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from tci_kernel.core.errors import TCIError

if TYPE_CHECKING:
    from tci_kernel.session.session import RemoteSession
    from tci_kernel.transfer.migration import Migration


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


class Moving:
    """Watches for the time to move, and moves while no cell runs.

    Args:
        notebook: that moves.
    """

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._watching: asyncio.Task[None] | None = None
        self._moving: asyncio.Task[None] | None = None
        self._stays_in: str | None = None  # from where a move has failed

    def watch(self, session: RemoteSession) -> None:
        """Move when it is time to. Called whenever a cell has ended."""
        if session.on_expiry == "migrate" and self._moving is None:
            if self._watching is not None:
                self._watching.cancel()
            self._watching = asyncio.create_task(self._watch(session))

    async def wait(self) -> None:
        """Wait for the end of a move that is on its way."""
        if self._moving is not None:
            await asyncio.wait({self._moving})

    async def aclose(self) -> None:
        """Look no more, and break off a move."""
        for task in (self._watching, self._moving):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})

    async def _watch(self, session: RemoteSession) -> None:
        left = await session.seconds_to_move()
        if left is None or session.id == self._stays_in:
            return
        await asyncio.sleep(max(left, 0.0))
        if not self._notebook.runs_cell:
            self._moving = asyncio.create_task(self._move(session))
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
        finally:
            self._moving = None
        self.watch(session)


def moved(migration: Migration, old: str, new: str) -> list[str]:
    """What the user reads of a move from a session to another one."""
    lost = [*migration.saved.lost, *migration.loaded.failed]
    if not lost:
        return [f"The notebook has moved to {new}, with all that it had in {old}."]
    lines = [f"The notebook has moved to {new}. What it had in {old} is there, but for:"]
    return [*lines, *(f"  {name}: {reason}" for name, reason in lost), *migration.loaded.notes]
