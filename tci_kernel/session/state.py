"""What is known of the session that cells run in: its id, its end, its cells."""

from __future__ import annotations

from dataclasses import replace

from tci_kernel.client.client import TCIClient
from tci_kernel.client.schema import SessionInfo
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import (
    ExecutionRefused,
    OutOfCredit,
    RateLimited,
    ServiceError,
    SessionChanged,
    SessionExpired,
    TCIError,
)
from tci_kernel.session.expiry import ExpiryWatch

_UNAUTHORIZED = 401


class SessionState:
    """What is known of the session that cells run in, and what changes it.

    Args:
        client: how the service is reached.

    Attributes:
        id: the session's id; None while there is none.
        expiry: watches its end.
        is_joined: whether it was there before it was used here.
        is_own: whether it began in this notebook, perhaps with a kernel before this one.
        is_restarted: whether its interpreter is to begin anew.
        cells_run: how many cells the user has run in it from here.
        begun: how many sessions have begun here.
    """

    def __init__(self, client: TCIClient) -> None:
        self._client = client
        self.id: str | None = None
        self.is_joined = self.is_restarted = self.is_own = False
        self.expiry = ExpiryWatch(self._look_up)
        self.cells_run = self.begun = 0
        self._succeeded: list[Cell] = []
        self._earlier: list[Cell] = []  # in sessions before this one

    def begin(self, session_id: str | None, *, joins: bool = False) -> None:
        """Go on with another session, or with none. The cells of this one stay replayable.

        Args:
            session_id: the session.
            joins: whether it was there before.
        """
        self.expiry.close()
        self._earlier = self.replayable()
        self.expiry = ExpiryWatch(self._look_up)
        self.id = session_id
        self.is_joined, self.is_restarted = joins, False
        self.is_own = session_id is not None and not joins
        self.begun += self.is_own
        self.cells_run = 0
        self._succeeded = []

    def adopt(self, session_id: str | None) -> SessionChanged | None:
        """Take note of the session that the service says it ran something in.

        Returns:
            what the user must know if it is another one than was asked for.
        """
        if session_id is None or session_id == self.id:
            return None
        old = self.id
        self.begin(session_id)
        return None if old is None else SessionChanged(old, session_id)

    def note(self, cell: Cell, *, succeeded: bool) -> None:
        """Note a cell that the user has run."""
        self.cells_run += not cell.is_part
        if succeeded:
            self._succeeded.append(replace(cell, frontend=None))

    def replayable(self) -> list[Cell]:
        """The cells that succeeded, in order: in this session, and in those since a replay."""
        return [*self._earlier, *self._succeeded]

    def set_replayable(self, cells: list[Cell]) -> None:
        """Have these, and what succeeds from now on, be what a replay runs."""
        self._earlier, self._succeeded = cells, []

    async def is_gone(self) -> bool:
        """Whether there is a session that the service's list, which is its last word, lacks."""
        return self.id is not None and await self.expiry.is_gone()

    async def draw_conclusion(self, error: TCIError) -> TCIError:
        """What a failed request means for the session; gives the error that the user reads."""
        if self.id is None:
            if error.session_id is not None:
                self.begin(error.session_id)
            elif error.may_have_run:
                error.fate += (
                    " If it began a session, its id never arrived: what runs next begins another."
                )
        elif _may_mean_expiry(error) and await self.is_gone():
            ended = self.expiry.ended_at()
            expired = SessionExpired(self.id, ended, error, len(self.replayable()))
            self.begin(None)
            return expired
        elif error.may_have_run:
            error.fate += " The session is kept."
        return error

    async def _look_up(self) -> SessionInfo | None:
        """The session as the service lists it; None if it does not.

        Raises:
            TCIError: there is no list to be had.
        """
        sessions = {session.id: session for session in await self._client.sessions()}
        return sessions.get(self.id or "")


def _may_mean_expiry(error: TCIError) -> bool:
    """Whether an error may stand for an expired session. How the service says it is not known."""
    if isinstance(error, (OutOfCredit, RateLimited)):
        return False
    if isinstance(error, ServiceError):
        return error.status != _UNAUTHORIZED
    return isinstance(error, ExecutionRefused)
