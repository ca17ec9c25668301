"""The sessions of a local server: created, found, expired, closed."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections import OrderedDict
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import zmq.asyncio

from tci_kernel.errors import RequestRejected
from tci_kernel.local import workdir
from tci_kernel.local.cleanup import Janitor
from tci_kernel.local.interpreter import Interpreter
from tci_kernel.schema import ExecuteRequest, ExecuteResponse, SessionInfo

# The form of the service's ids: `ses_` and 21 alphanumerics.
_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 21

# How many ended sessions are remembered, to say what became of them.
_REMEMBERED = 1_000


class PooledSession:
    """A session: an interpreter, a working directory and a time to live."""

    def __init__(self, session_id: str, lifetime: float, interpreter: Interpreter) -> None:
        self.id = session_id
        self.interpreter = interpreter
        self.started_at = self.last_execute_at = datetime.now(UTC)
        self.expires_at = self.started_at + timedelta(seconds=lifetime)
        self.execute_count = 0
        self.turn = asyncio.Lock()  # calls on one session run one after another, in order
        self.timer: asyncio.TimerHandle | None = None

    def info(self) -> SessionInfo:
        """The session as a listing shows it."""
        return SessionInfo(
            self.id, self.execute_count, self.started_at, self.last_execute_at, self.expires_at
        )


class SessionPool:
    """All sessions of a server.

    Args:
        root: a private directory; working directories and kernel sockets go below it.
        janitor: removes what is left if this process is killed.
        kernel_name: the kernelspec of each session's interpreter.
        lifetime: seconds that a session lives.
        max_sessions: how many may live at once.
    """

    def __init__(
        self, root: Path, janitor: Janitor, *, kernel_name: str, lifetime: float, max_sessions: int
    ) -> None:
        self._root = root
        self._janitor = janitor
        self._kernel_name = kernel_name
        self._lifetime = lifetime
        self._max_sessions = max_sessions
        self._sessions: dict[str, PooledSession] = {}
        self._starting = 0
        self._ended: OrderedDict[str, str] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serial = 0
        self._context = zmq.asyncio.Context()
        # A burst of displays must not overflow the queue in front of us.
        self._context.setsockopt(zmq.RCVHWM, 0)
        self._context.setsockopt(zmq.LINGER, 0)

    async def execute(self, request: ExecuteRequest) -> ExecuteResponse:
        """Run a request in its session, or in a new one.

        Raises:
            RequestRejected: code that is no text, a bad file, an unknown or expired session, or
                too many sessions.
        """
        _check_code(request.code)
        files = workdir.decode(request.files)
        session = await (
            self.create() if request.session_id is None else self._find(request.session_id)
        )
        try:
            async with session.turn:
                await session.interpreter.settle()
                await self._find(session.id)  # it may have ended while this call waited
                workdir.write(self._root / session.id, files)
                session.execute_count += 1
                session.last_execute_at = datetime.now(UTC)
                outputs = await session.interpreter.execute(request.code)
        except (asyncio.CancelledError, RequestRejected):
            if request.session_id is None:  # nobody has heard of this session
                self._spawn(self._end(session, "ended: its first call did not end well"))
            raise
        if not await session.interpreter.alive():
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
        await asyncio.gather(
            *(self._end(session, "ended with the server") for session in [*self._sessions.values()])
        )
        for task in self._tasks:
            task.cancel()
        self._context.destroy(linger=0)

    async def create(self) -> PooledSession:
        """Start a session.

        Raises:
            RequestRejected: there are too many, or the interpreter does not start.
        """
        await self.sessions()  # forgets what has died meanwhile
        if len(self._sessions) + self._starting >= self._max_sessions:
            raise self._too_many()
        session_id = "ses_" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        self._starting += 1
        try:
            interpreter = await self._start(session_id)
        finally:
            self._starting -= 1
        session = PooledSession(session_id, self._lifetime, interpreter)
        self._sessions[session_id] = session
        session.timer = asyncio.get_running_loop().call_later(
            self._lifetime, lambda: self._spawn(self._expire(session))
        )
        return session

    async def _start(self, session_id: str) -> Interpreter:
        """Start an interpreter whole, or leave nothing of it."""
        self._serial += 1
        directory = self._root / session_id
        run_files = self._root / str(self._serial)
        interpreter = Interpreter(
            self._kernel_name, directory, run_files, self._context, self._janitor
        )
        try:
            directory.mkdir()
            await interpreter.start()
        except BaseException:
            await asyncio.shield(interpreter.close("never started"))
            workdir.remove(directory)
            raise
        return interpreter

    async def _find(self, session_id: str) -> PooledSession:
        session = self._sessions.get(session_id)
        if session is None or not await self._is_live(session):
            fate = self._ended.get(session_id)
            raise RequestRejected(
                f"Session {session_id!r} {fate}." if fate else f"No session {session_id!r}.",
                status=404,
                param="session_id",
                code="session_ended" if fate else "session_not_found",
            )
        return session

    async def _is_live(self, session: PooledSession) -> bool:
        """Whether a session lives; one that does not is ended on the spot.

        Its timer does not run while a computer sleeps: the clock on the wall decides.
        """
        if datetime.now(UTC) >= session.expires_at:
            await self._expire(session)
        elif not await session.interpreter.alive():
            await self._end(session, "ended: its interpreter died")
        return session.id in self._sessions

    def _spawn(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(ending)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _expire(self, session: PooledSession) -> None:
        await self._end(session, f"expired at {session.expires_at.isoformat(timespec='seconds')}")

    async def _end(self, session: PooledSession, fate: str) -> None:
        if self._sessions.pop(session.id, None) is None:
            return
        self._ended[session.id] = fate
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        if session.timer is not None:
            session.timer.cancel()
        await session.interpreter.close(f"SessionEnded: session {session.id} {fate}.")
        await asyncio.to_thread(workdir.remove, self._root / session.id)

    def _too_many(self) -> RequestRejected:
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
