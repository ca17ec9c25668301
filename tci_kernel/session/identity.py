"""Which session at the service is used, and how it is taken up and left."""

from __future__ import annotations

from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.client.schema import END_SESSIONS
from tci_kernel.core.errors import SessionExpired
from tci_kernel.session.options import SessionOptions
from tci_kernel.session.state import SessionState


class SessionIdentity(SessionOptions):
    """The base of a session that knows which one it is, and runs nothing.

    Args:
        client: how the service is reached.
    """

    def __init__(self, client: TCIClient, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._client = client
        self._state = SessionState(client)
        self._unnoticed: SessionExpired | None = None
        self._is_resumed = False

    @property
    def id(self) -> str | None:
        """The session's id; None while there is none."""
        return self._state.id

    @property
    def cells_run(self) -> int:
        """How many cells the user has run in the session from here."""
        return self._state.cells_run

    @property
    def begun(self) -> int:
        """How many sessions have begun here, with those that are over."""
        return self._state.begun

    @property
    def expired_unnoticed(self) -> str | None:
        """The id of a session whose expiry hidden code has met; the user has yet to hear of it."""
        return None if self._unnoticed is None else self._unnoticed.gone

    def raise_expired(self) -> None:
        """Have the user hear, once, of an expiry that nobody has told them of.

        Raises:
            SessionExpired: there was one.
        """
        unnoticed, self._unnoticed = self._unnoticed, None
        if unnoticed is not None:
            raise unnoticed

    def attach(self, session_id: str) -> None:
        """Use a session that exists. Whether it does shows with the first cell."""
        self._state.begin(session_id, joins=True)
        self._state.set_replayable([])
        self._unnoticed = None

    def resume(self, session_id: str, *, restarts: bool, is_own: bool) -> None:
        """Go on with the session of a kernel before this one; if it has expired, with a new one.

        Args:
            session_id: the session.
            restarts: whether its interpreter begins anew, without variables.
            is_own: whether it began in this notebook.
        """
        self.attach(session_id)
        self._state.is_restarted, self._state.is_own = restarts, is_own
        self._is_resumed = True

    def move_to(self, successor: SessionIdentity) -> None:
        """Go on in another session, which has what this one had; its cells stay replayable.

        Args:
            successor: which is released.
        """
        self._state.begin(successor.id, joins=True)
        self._state.is_own = True
        self._state.begun += 1
        self._unnoticed = None

    async def seconds_to_move(self) -> float | None:
        """See `ExpiryWatch`; None where there is no session."""
        return None if self.id is None else await self._state.expiry.seconds_to_move()

    async def warning(self) -> str | None:
        """See `ExpiryWatch`."""
        return await self._state.expiry.warning()

    def forget(self) -> None:
        """Go on without a session; its cells stay replayable."""
        self._state.begin(None)
        self._unnoticed = None

    @property
    def can_end(self) -> bool:
        """Whether the service ends a session that it is asked to end, as far as it has said so."""
        return END_SESSIONS in self._client.extensions

    @property
    def is_own(self) -> bool:
        """Whether there is a session, and it began in this notebook."""
        return self._state.is_own

    async def end(self) -> None:
        """End the session, with all that is in it; its cells stay replayable.

        Raises:
            TCIError: it goes on, as far as can be known.
        """
        if self.id is not None:
            await self._client.end_session(self.id)
            self.forget()
