"""The sessions of the server: created, found, listed, ended."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from tci_kernel.client.schema import ExecuteRequest, ExecuteResponse, SessionInfo
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server import working_directory
from tci_kernel.server.interpreter import Interpreter
from tci_kernel.server.supply import InterpreterSupply

# How many ended sessions are remembered, to say what became of them.
_MAX_ENDED = 1_000


class PooledSession:
    """A session: an interpreter with its working directory, and a time to live."""

    def __init__(self, interpreter: Interpreter, lifetime: float) -> None:
        self.id = interpreter.directory.name
        self.interpreter = interpreter
        self.started_at = self.last_execute_at = datetime.now(UTC)
        self.expires_at = self.started_at + timedelta(seconds=lifetime)
        self.execute_count = 0
        self.lock = asyncio.Lock()  # calls on one session run one after another, in order
        self.timer: asyncio.TimerHandle | None = None

    def info(self) -> SessionInfo:
        """The session as a listing shows it."""
        return SessionInfo(
            self.id, self.execute_count, self.started_at, self.last_execute_at, self.expires_at
        )


class SessionPool:
    """All sessions of a server.

    Args:
        supply: gives each session its interpreter.
        lifetime: seconds that a session lives.
        max_sessions: how many may live at once.
    """

    def __init__(self, supply: InterpreterSupply, *, lifetime: float, max_sessions: int) -> None:
        self._supply = supply
        self._lifetime = lifetime
        self._max_sessions = max_sessions
        self._keeps_spare = False
        self._sessions: dict[str, PooledSession] = {}
        self._starting = 0
        self._end_reasons: OrderedDict[str, str] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

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
        files = working_directory.decode(request.files)
        session = await (
            self.create() if request.session_id is None else self._find(request.session_id)
        )
        try:
            async with session.lock:
                await session.interpreter.wait_until_idle()
                await self._find(session.id)  # it may have ended while this call waited
                working_directory.write(session.interpreter.directory, files)
                session.execute_count += 1
                session.last_execute_at = datetime.now(UTC)
                outputs = await session.interpreter.execute(request.code)
        except (asyncio.CancelledError, RequestRejected):
            if request.session_id is None:  # nobody has heard of this session
                self._start_task(self._end(session, "ended: its first call did not end well"))
            raise
        if not await session.interpreter.is_alive():
            await self._end(session, "ended: its interpreter died")
        return ExecuteResponse(session.id, outputs)

    async def sessions(self) -> list[SessionInfo]:
        """The live sessions, oldest first."""
        return [
            session.info()
            for session in list(self._sessions.values())
            if await self._is_live(session)
        ]

    async def close(self) -> None:
        """End all sessions, and with them the calls that run in them."""
        self._keeps_spare = False
        await asyncio.gather(
            *(self._end(session, "ended with the server") for session in [*self._sessions.values()])
        )
        for task in self._tasks:
            task.cancel()
        await self._supply.close()

    async def create(self) -> PooledSession:
        """Start a session.

        Raises:
            RequestRejected: there are too many, or the interpreter does not start.
        """
        await self.sessions()  # forgets what has died meanwhile
        if len(self._sessions) + self._starting >= self._max_sessions:
            raise self._limit_reached()
        self._starting += 1
        try:
            session = PooledSession(await self._supply.take(), self._lifetime)
            self._sessions[session.id] = session
        finally:
            self._starting -= 1
            self._prepare_spare()
        session.timer = asyncio.get_running_loop().call_later(
            self._lifetime, lambda: self._start_task(self._expire(session))
        )
        return session

    def _prepare_spare(self) -> None:
        if self._keeps_spare and len(self._sessions) + self._starting < self._max_sessions:
            self._supply.prepare_spare()

    async def _find(self, session_id: str) -> PooledSession:
        session = self._sessions.get(session_id)
        if session is None or not await self._is_live(session):
            reason = self._end_reasons.get(session_id)
            raise RequestRejected(
                f"Session {session_id!r} {reason}." if reason else f"No session {session_id!r}.",
                status=404,
                param="session_id",
                code="session_ended" if reason else "session_not_found",
            )
        return session

    async def _is_live(self, session: PooledSession) -> bool:
        """Whether a session lives; one that does not is ended on the spot.

        Its timer does not run while a computer sleeps: the clock on the wall decides.
        """
        if datetime.now(UTC) >= session.expires_at:
            await self._expire(session)
        elif not await session.interpreter.is_alive():
            await self._end(session, "ended: its interpreter died")
        return session.id in self._sessions

    def _start_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _expire(self, session: PooledSession) -> None:
        await self._end(session, f"expired at {session.expires_at.isoformat(timespec='seconds')}")

    async def _end(self, session: PooledSession, reason: str) -> None:
        if self._sessions.pop(session.id, None) is None:
            return
        self._end_reasons[session.id] = reason
        if len(self._end_reasons) > _MAX_ENDED:
            self._end_reasons.popitem(last=False)
        if session.timer is not None:
            session.timer.cancel()
        await session.interpreter.close(f"SessionEnded: session {session.id} {reason}.")
        self._prepare_spare()

    def _limit_reached(self) -> RequestRejected:
        ends = [session.expires_at for session in self._sessions.values()]
        wait = (min(ends) - datetime.now(UTC)).total_seconds() if ends else 1
        return RequestRejected(
            f"There are {self._max_sessions} sessions already, which is this server's limit.",
            status=429,
            code="too_many_sessions",
            retry_after=max(1, round(wait)),
        )


def _check_code(code: str) -> None:
    """Turn away what no kernel could be sent: half surrogate pairs, which JSON's escapes allow."""
    try:
        code.encode()
    except UnicodeEncodeError as error:
        raise RequestRejected(f"'code' is not Unicode text: {error}.", param="code") from error
