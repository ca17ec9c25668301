"""One session from its beginning to its end: its id, its helper, its expiry, its cells."""

from __future__ import annotations

from collections.abc import Iterator

from tci_kernel.client.client import TCIClient
from tci_kernel.client.failures import failure
from tci_kernel.client.schema import ExecuteResponse, SessionInfo
from tci_kernel.core.errors import (
    ExecutionRefused,
    OutOfCredit,
    RateLimited,
    ServiceError,
    SessionChanged,
    SessionExpired,
    TCIError,
)
from tci_kernel.core.messages import Ended, Event, Failure, outcome, with_one_failure
from tci_kernel.session.direct import helper
from tci_kernel.session.direct.link import HelperLink
from tci_kernel.session.direct.sending import Cell
from tci_kernel.session.expiry import ExpiryWatch

_UNAUTHORIZED = 401


class SessionLife:
    """What is known of the session that cells run in, and what changes it.

    Args:
        client: how the service is reached.

    Attributes:
        id: the session's id; None while there is none.
        link: the way to its helper.
        expiry: watches its end.
        succeeded: the user's cells that succeeded, in order, for a replay: those of the session
            before it until one has run in this one.
        cells_run: how many cells the user has run in it from here.
    """

    id: str | None
    link: HelperLink
    expiry: ExpiryWatch
    succeeded: list[Cell]
    cells_run: int

    def __init__(self, client: TCIClient) -> None:
        self._client = client
        self.succeeded = []
        self._begin(None)

    def begin(self, session_id: str | None) -> None:
        """Go on with another session, or with none."""
        self.expiry.close()
        self._begin(session_id)

    def _begin(self, session_id: str | None) -> None:
        self.expiry = ExpiryWatch(self._look_up)
        self.link = HelperLink(self._client)
        self.cells_run = 0
        self.id = session_id

    async def install_helper(self) -> None:
        """Install the helper if the session begins or is joined."""
        if self.link.installed is not None:
            return
        link = self.link
        session_id = await link.install(self.id)
        if self.id is None and session_id is not None:
            self.begin(session_id)
            self.link = link

    async def agree_on_number(self, cell: Cell) -> None:
        """Give the session's next cell the number that it has in the notebook."""
        if self.id is None or not self.link.installed:
            return
        if cell.number is not None and cell.number != self.link.count:
            await self.link.call(self.id, "set_count", count=cell.number)

    def events(self, cell: Cell, answer: ExecuteResponse) -> list[Event]:
        """What an answer to a cell holds; notes what it tells of the session."""
        said = list(helper.events(answer.outputs))
        ends = [event for event in said if isinstance(event, Ended)]
        if ends:
            self.link.count = ends[-1].count
        events = [*said, *self.doubts(answer)]
        if not cell.hidden:
            self._note(cell, succeeded=outcome(events) is None)
        return events if ends else with_one_failure(events)

    def _note(self, cell: Cell, *, succeeded: bool) -> None:
        """Note a cell that the user has run."""
        if self.cells_run == 0:
            self.succeeded = []
        self.cells_run += 1
        if succeeded:
            self.succeeded.append(cell)

    def doubts(self, answer: ExecuteResponse) -> Iterator[Failure]:
        """What an answer says beside its outputs that the user must know."""
        if answer.errors:
            text = "\n".join(answer.errors)
            yield Failure("ServiceError", text, [f"ServiceError: {text}"])
        old, new = self.id, answer.session_id
        if new is None and old is None:
            text = "The service named no session: what runs next begins a new one."
            yield Failure.from_error(failure("body", text))
        elif new is not None and new != old:
            self.begin(new)
            if old is not None:
                yield Failure.from_error(SessionChanged(old, new))

    async def explained(self, error: TCIError) -> TCIError:
        """The error that the user reads: above all, whether the session is still there."""
        if self.id is None:
            if error.session_id is not None:
                self.begin(error.session_id)
            elif error.may_have_run:
                fate = "If it began a session, its id never arrived: what runs next begins another."
                error.args = (f"{error}\n{fate}",)
        elif _may_mean_expiry(error) and await self.expiry.is_gone():
            expired = SessionExpired(self.id, self.expiry.expires_at, error, len(self.succeeded))
            self.begin(None)
            return expired
        elif error.may_have_run:
            error.args = (f"{error}\nThe session is kept.",)
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
