"""The sessions of the server: created, found, listed, ended."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from tci_kernel.client.schema import ExecuteRequest, ExecuteResponse, Output, SessionInfo
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server import files as request_files
from tci_kernel.server.exchange_request import ExchangeRequest
from tci_kernel.server.workspace import Workspace, WorkspaceLost, WorkspaceSupply

# How many ended sessions are remembered, to say what became of them.
_MAX_ENDED = 1_000

# Seconds between looks at a session: neither the clock on the wall, which goes on while a computer
# sleeps, nor the end of an idle interpreter raises an event.
_WATCH_INTERVAL = 1.0


class PooledSession:
    """A session: a workspace, and a time to live."""

    def __init__(self, workspace: Workspace, lifetime: float) -> None:
        self.id = workspace.session_id
        self.workspace = workspace
        self.started_at = self.last_execute_at = datetime.now(UTC)
        self.expires_at = self.started_at + timedelta(seconds=lifetime)
        self.execute_count = 0
        self.lock = asyncio.Lock()  # calls on one session run one after another, in order
        self.watcher: asyncio.Task[None] | None = None

    @property
    def seconds_left(self) -> float:
        """How long it lives still; by the clock on the wall."""
        return (self.expires_at - datetime.now(UTC)).total_seconds()

    @property
    def expiry(self) -> str:
        """What became of it once it has expired."""
        return f"expired at {self.expires_at.isoformat(timespec='seconds')}"

    def note_use(self, cells: int) -> None:
        """Note that code was run in it."""
        self.execute_count += cells
        self.last_execute_at = datetime.now(UTC) if cells else self.last_execute_at

    def info(self) -> SessionInfo:
        """The session as a listing shows it."""
        return SessionInfo(
            self.id, self.execute_count, self.started_at, self.last_execute_at, self.expires_at
        )


class SessionPool:
    """All sessions of a server.

    Args:
        supply: gives each session its workspace.
        lifetime: seconds that a session lives.
        max_sessions: how many may live at once.
    """

    def __init__(self, supply: WorkspaceSupply, *, lifetime: float, max_sessions: int) -> None:
        self._supply = supply
        self._lifetime = lifetime
        self._max_sessions = max_sessions
        self._keeps_spare = False
        self._sessions: dict[str, PooledSession] = {}
        self._starting = 0
        self._end_reasons: OrderedDict[str, str] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def keep_spare(self) -> None:
        """From now on, have an interpreter ready for the next session, if there may be one."""
        self._keeps_spare = True
        self._prepare_spare()

    async def execute(self, request: ExecuteRequest) -> ExecuteResponse:
        """Run a request in its session, or in a new one.

        Raises:
            RequestRejected: code that is no text, a bad file, an unknown or expired session, or
                too many sessions.
        """
        _check_code(request.code)
        files = request_files.decode(request.files)
        session = (
            await self.create() if request.session_id is None else self._find(request.session_id)
        )
        try:
            outputs = await self._run(session, request.code, files)
        except (asyncio.CancelledError, RequestRejected):
            if request.session_id is None:  # nobody has heard of this session
                self._end(session, "ended: its first call did not end well")
            raise
        return ExecuteResponse(session.id, outputs)

    async def _run(
        self, session: PooledSession, code: str, files: request_files.Decoded
    ) -> list[Output]:
        """Run code in a session, after all earlier calls."""
        async with session.lock:
            self._find(session.id)  # it may have ended while this call waited
            session.note_use(1)
            try:
                return await session.workspace.execute(code, files)
            except WorkspaceLost as lost:  # what it has run nobody knows
                self._lose(session, lost)
                return [Output("error", f"SessionEnded: session {session.id} was lost: {lost}.")]

    async def begin(self, session_id: str | None) -> ExecuteResponse:
        """Begin a session without running anything; of one that is there, see that it is.

        Raises:
            RequestRejected: as `execute`.
        """
        session = await self.create() if session_id is None else self._find(session_id)
        return ExecuteResponse(session.id, [])

    async def exchange(self, session_id: str, request: ExchangeRequest) -> str:
        """Answer an exchange with a session's interpreter; gives JSON. Several may wait at once.

        Raises:
            RequestRejected: a bad file, or an unknown or expired session.
        """
        session = self._find(session_id)
        answer, cells = "", 0
        try:
            if request.is_ping:
                return await session.workspace.hello()
            answer, cells = await session.workspace.exchange(request.fields, request.files)
        except WorkspaceLost as lost:
            self._lose(session, lost)
        self._find(session_id)  # it may have ended meanwhile, and the interpreter with it
        session.note_use(cells)
        return answer

    def live_sessions(self) -> list[SessionInfo]:
        """The live sessions, oldest first."""
        sessions = [*self._sessions.values()]
        return [session.info() for session in sessions if session.seconds_left > 0]

    def end(self, session_id: str) -> None:
        """End a session, and with it the call that runs in it.

        Raises:
            RequestRejected: there is none.
        """
        self._end(self._find(session_id), "was ended by request")

    async def close(self) -> None:
        """End all sessions, and with them the calls that run in them."""
        self._keeps_spare = False
        for session in [*self._sessions.values()]:
            self._end(session, "ended with the server")
        await asyncio.gather(*self._closing)
        await self._supply.close()

    async def create(self) -> PooledSession:
        """Start a session.

        Raises:
            RequestRejected: there are too many, or the interpreter does not start.
        """
        for session in [*self._sessions.values()]:
            self._end_if_over(session)
        if len(self._sessions) + self._starting >= self._max_sessions:
            raise self._limit_reached()
        self._starting += 1
        try:
            session = PooledSession(await self._supply.take(), self._lifetime)
            self._sessions[session.id] = session
        finally:
            self._starting -= 1
            self._prepare_spare()
        session.watcher = asyncio.create_task(self._watch(session))
        return session

    def _prepare_spare(self) -> None:
        if self._keeps_spare and len(self._sessions) + self._starting < self._max_sessions:
            self._supply.prepare_spare()

    def _find(self, session_id: str) -> PooledSession:
        session = self._sessions.get(session_id)
        if session is not None and session.seconds_left > 0:
            return session
        reason = session.expiry if session else self._end_reasons.get(session_id)
        raise RequestRejected(
            f"Session {session_id!r} {reason}." if reason else f"No session {session_id!r}.",
            status=404,
            param="session_id",
            code="session_ended" if reason else "session_not_found",
        )

    async def _watch(self, session: PooledSession) -> None:
        while session.id in self._sessions:
            await asyncio.sleep(min(_WATCH_INTERVAL, session.seconds_left))
            self._end_if_over(session)
            try:
                await session.workspace.tidy()
            except WorkspaceLost as lost:
                self._lose(session, lost)

    def _lose(self, session: PooledSession, lost: WorkspaceLost) -> None:
        self._end(session, f"was lost: {lost}")

    def _end_if_over(self, session: PooledSession) -> None:
        if session.seconds_left <= 0:
            self._end(session, session.expiry)

    def _end(self, session: PooledSession, reason: str) -> None:
        """Forget a session at once. Its workspace is closed in a task that no hang-up cancels."""
        if self._sessions.pop(session.id, None) is None:
            return
        self._end_reasons[session.id] = reason
        if len(self._end_reasons) > _MAX_ENDED:
            self._end_reasons.popitem(last=False)
        if session.watcher is not None:
            session.watcher.cancel()
        task = asyncio.create_task(self._close_workspace(session, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_workspace(self, session: PooledSession, reason: str) -> None:
        await session.workspace.close(f"SessionEnded: session {session.id} {reason}.")
        self._prepare_spare()

    def _limit_reached(self) -> RequestRejected:
        wait = min((session.seconds_left for session in self._sessions.values()), default=1)
        return RequestRejected(
            f"There are {self._max_sessions} sessions already, which is this server's limit.",
            status=429,
            code="too_many_sessions",
            retry_after=max(1, round(wait)),
        )


def _check_code(code: str) -> None:
    """Turn away what can't be sent on: half surrogate pairs, which the escapes of JSON allow."""
    try:
        code.encode()
    except UnicodeEncodeError as error:
        raise RequestRejected(f"'code' is not Unicode text: {error}.", param="code") from error
