"""The sessions whose files are used: joined by their ids, never begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from traitlets.config import Config

from tci_kernel.cli.common import CATALOGUE, GIVE_A_KEY, client
from tci_kernel.client.client import TCIClient
from tci_kernel.core.cell import File
from tci_kernel.core.errors import MissingKey, SessionExpired, TCIError
from tci_kernel.filesystem.errors import NoSession
from tci_kernel.session.automatic import Execution
from tci_kernel.session.session import RemoteSession

# The subshell in which sessions answer, so that files are there while a cell runs.
SUBSHELL = "files"

# Seconds after the last call in which a session is held, for the next to be quick.
IDLE = 5.0


class JoinedSession(RemoteSession):
    """A session that was there before. Once it is gone, no other one takes its place."""

    def __init__(self, client: TCIClient, session_id: str, config: Config) -> None:
        execution = Execution(config.TCIKernel.get("execution", Execution.AUTO))
        super().__init__(client, execution=execution, subshell=SUBSHELL, config=config)
        self.cell_timeout = None  # which would interrupt the user's cell
        self.name = session_id
        self.lock = asyncio.Lock()
        self.resting: asyncio.Task[None] | None = None
        self.attach(session_id)

    async def call(self, program: str, files: Sequence[File] = (), **arguments: Any) -> Any:
        """See `RemoteSession.call`.

        Raises:
            NoSession: the session is gone.
        """
        if self.id != self.name:
            raise NoSession(self.name)
        try:
            return await super().call(program, files, **arguments)
        except SessionExpired as expired:
            raise NoSession(self.name) from expired


class Sessions:
    """The sessions at one service. They are used on one event loop.

    Args:
        options: settings of `TCIClient` that differ from the configuration, by name.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options
        self._client: TCIClient | None = None
        self._config = Config()
        self._joined: dict[str, JoinedSession] = {}

    async def ids(self) -> list[str]:
        """The ids of the sessions that there are.

        Raises:
            TCIError: there is no list to be had.
        """
        service = await self._service()
        try:
            return [info.id for info in await service.sessions()]
        except MissingKey as error:
            self._client = None  # there may be one the next time
            error.advice = f"{GIVE_A_KEY[:-1]}, or give api_key in storage_options."
            raise

    @asynccontextmanager
    async def use(self, session_id: str) -> AsyncIterator[RemoteSession]:
        """A session, for one user at a time. It is let go of once nobody has used it for a while.

        Raises:
            NoSession: it is gone, or was never there.
            TCIError: as `ids`.
        """
        if session_id not in self._joined:
            # A service may begin a session for an id that it does not know.
            if session_id not in await self.ids():
                raise NoSession(session_id)
            made = JoinedSession(await self._service(), session_id, self._config)
            self._joined.setdefault(session_id, made)
        session = self._joined[session_id]
        async with session.lock:
            if session.resting is not None:
                session.resting.cancel()
            try:
                yield session
            finally:
                if session.id != session_id and self._joined.get(session_id) is session:
                    del self._joined[session_id]
                session.resting = asyncio.create_task(_rest(session))

    async def aclose(self) -> None:
        """Let go of all sessions, and of the connections: of these also where it is cancelled."""
        try:
            for session in self._joined.values():
                if session.resting is not None:
                    session.resting.cancel()
                with suppress(TCIError):
                    await session.rest()
        finally:
            for session in self._joined.values():
                await session.release()
            self._joined.clear()
            if self._client is not None:
                await self._client.aclose()

    async def _service(self) -> TCIClient:
        if self._client is None:
            self._config = CATALOGUE.load()
            for name, value in self._options.items():
                self._config.TCIClient[name] = value
            self._client = await client(self._config)
        return self._client


async def _rest(session: JoinedSession) -> None:
    await asyncio.sleep(IDLE)
    async with session.lock:
        with suppress(TCIError):  # it is gone, or out of reach
            await session.rest()
