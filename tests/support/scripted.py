"""What unit tests of a session need around it: a scripted service, held requests, the helper."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from select import select
from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.core.cell import Cell
from tci_kernel.core.messages import Message
from tci_kernel.remote.helper import MIME
from tci_kernel.session.automatic import Execution
from tci_kernel.session.session import RemoteSession
from tests.support.faulty import SESSION, Action, FaultyServer, answer
from tests.support.waiting import PATIENCE, soon

# Seconds in which the end of a connection shows at its other end.
_NEWS = 2.0

OTHER = "ses_" + "b" * 21

Opener = Callable[[TCIClient], Callable[[], Any]]


class Held:
    """An action that keeps a request without an answer, and knows whether its caller waits on."""

    def __init__(self) -> None:
        self._released = threading.Event()
        self._connections: list[socket.socket] = []
        self._then: Action | None = None

    def __call__(self, connection: socket.socket) -> None:
        self._connections.append(connection)
        self._released.wait(PATIENCE)
        if self._then is not None:
            self._then(connection)

    @property
    def count(self) -> int:
        """How many requests have come."""
        return len(self._connections)

    def is_waited_for(self) -> bool:
        """Whether a caller still waits."""
        return not all(_has_ended(connection, 0.0) for connection in self._connections)

    def is_dropped(self) -> bool:
        """Whether all callers have hung up by this moment.

        It may take the machine a while to bring the news, during which nothing of ours runs.
        """
        return all(_has_ended(connection, _NEWS) for connection in self._connections)

    async def arrived(self, count: int = 1) -> None:
        """Wait until requests have come."""
        await soon(lambda: self.count >= count, f"request {count} that is held")

    def release(self, then: Action | None = None) -> None:
        """Go on, with an answer or with none."""
        self._then = then
        self._released.set()


def _has_ended(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side has closed a connection; blocks the event loop meanwhile."""
    try:
        readable, _, _ = select([connection], [], [], seconds)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


@contextmanager
def hold() -> Iterator[Held]:
    """An action that holds requests until the end of a block."""
    held = Held()
    try:
        yield held
    finally:
        held.release()


def said(**fields: Any) -> tuple[str, dict[str, Any]]:
    """An output by which the helper says something."""
    return "display_data", {MIME: fields}


def replied(content: Any, session_id: str = SESSION) -> Action:
    """The answer to a call of the helper."""
    return answer(said(kind="reply", content=content), session_id=session_id)


def greeting(number: int = 1, session_id: str = SESSION) -> Action:
    """The answer to the helper's installation: the next cell has this number."""
    return replied({"count": number}, session_id)


def ended(number: int, *outputs: Any, session_id: str = SESSION, **fields: Any) -> Action:
    """The answer to a cell that the helper has seen end."""
    return answer(*outputs, said(kind="end", count=number + 1, **fields), session_id=session_id)


def codes(service: FaultyServer) -> list[str]:
    """The code of each request so far."""
    return [request.json()["code"] for request in service.executions]


def sessions_named(service: FaultyServer) -> list[str | None]:
    """The session that each request so far has named."""
    return [request.json().get("session_id") for request in service.executions]


@asynccontextmanager
async def client_of(service: FaultyServer, **settings: Any) -> AsyncIterator[TCIClient]:
    """A client of a scripted service."""
    client = TCIClient(base_url=service.base_url, **{"api_key": "the-key", **settings})
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def session_at(
    service: FaultyServer,
    *,
    client: Mapping[str, Any] | None = None,
    opener: Opener | None = None,
    **settings: Any,
) -> AsyncIterator[RemoteSession]:
    """A session at a scripted service, without the helper unless it is asked for.

    Cells are run directly: a script can't play a whole interpreter.

    Args:
        service: the service.
        client: settings of its client.
        opener: makes of the client what opens the session.
        settings: of the session.
    """
    async with client_of(service, **(client or {})) as way:
        settings = {"use_helper": False, **settings}
        session = RemoteSession(
            way, opener(way) if opener else None, execution=Execution.DIRECT, **settings
        )
        try:
            yield session
        finally:
            await session.aclose()
        await soon(lambda: not others(), "the end of all tasks")


def others() -> set[asyncio.Task[Any]]:
    """The tasks beside the calling one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def run(session: RemoteSession, code: str = "pass", **options: Any) -> list[Message]:
    """Run a cell to its end; gives its messages, its reply last."""
    return [message async for message in session.run(Cell(code, **options))]


async def settled(service: FaultyServer) -> None:
    """Wait until a session's end has been asked for, and nothing else goes on."""
    await soon(
        lambda: any(request.method == "GET" for request in service.requests),
        "the question for the session's end",
    )
    await soon(lambda: not others(), "the end of all tasks")
