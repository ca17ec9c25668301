"""One TCI session's life, from lazily created to gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from tci_kernel.client import TCIClient
from tci_kernel.errors import (
    AuthenticationFailed,
    ExecutionRefused,
    OutOfCredit,
    RateLimited,
    ServiceError,
    SessionExpired,
    TCIError,
)
from tci_kernel.events import Event, Failure, Stream, from_output
from tci_kernel.schema import ExecuteResponse


@dataclass(frozen=True, slots=True)
class Cell:
    """What a user runs.

    Attributes:
        code: sent verbatim.
    """

    code: str


class RemoteSession:
    """A session at the service. It begins with the first cell that is run.

    Args:
        client: how the service is reached.

    Attributes:
        id: the session's id; None until the service has named one.
    """

    def __init__(self, client: TCIClient) -> None:
        self._client = client
        self.id: str | None = None

    @property
    def live(self) -> bool:
        """Whether there is a session to run code in."""
        return self.id is not None

    async def run(self, cell: Cell) -> AsyncIterator[Event]:
        """Run a cell and yield what it produces, at most one `Failure` among it.

        Raises:
            TCIError: the cell did not run, or what became of it is not known.
        """
        answer = await self._execute(cell)
        self.id = answer.session_id or self.id
        failed = False
        for output in answer.outputs:
            event = from_output(output)
            if isinstance(event, Failure) and failed:
                # A cell ends in one error; what else the service calls one is still shown.
                event = Stream("stderr", "\n".join(event.traceback))
            failed = failed or isinstance(event, Failure)
            yield event
        if answer.errors and not failed:
            text = "\n".join(answer.errors)
            yield Failure("ServiceError", text, [f"ServiceError: {text}"])

    async def _execute(self, cell: Cell) -> ExecuteResponse:
        try:
            return await self._client.execute(cell.code, self.id)
        except (ServiceError, ExecutionRefused) as error:
            if self.id is None or not _may_mean_expiry(error) or not await self._is_gone():
                raise
            gone, self.id = self.id, None
            raise SessionExpired(gone, str(error).partition("\n")[0]) from error

    async def _is_gone(self) -> bool:
        """Whether the service's list of sessions, which is its last word, lacks this one."""
        try:
            sessions = await self._client.sessions()
        except TCIError:
            return False
        return all(session.id != self.id for session in sessions)

    async def aclose(self) -> None:
        """Let go of the connections. The service ends the session itself, in its own time."""
        await self._client.aclose()


def _may_mean_expiry(error: TCIError) -> bool:
    """Whether an error may stand for an expired session. How the service says it is not known."""
    return not (
        error.may_have_run or isinstance(error, (AuthenticationFailed, OutOfCredit, RateLimited))
    )
