"""The Python API for programs with an event loop: the way to a service, and to sessions there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self

from traitlets.config import Config, Configurable

from tci_kernel.api.advice import advising
from tci_kernel.api.async_session import AsyncSession
from tci_kernel.client.schema import SessionInfo
from tci_kernel.config.settings import Settings
from tci_kernel.core.errors import ConfigurationError, UsageError
from tci_kernel.kernel.configuration import CATALOGUE
from tci_kernel.runtime import Runtime
from tci_kernel.session.automatic import Execution

# Nobody sits in front of a script who would read notices, or a warning that the session ends soon.
_SETTINGS = Config(RemoteSession={"show_progress": False, "on_expiry": "migrate"})


class AsyncClient:
    """A service, and the way to sessions there. It belongs to the event loop that first uses it.

    What is not given is looked up as for the kernel: in the configuration files, the environment
    and the keyring. Nothing is sent before something is asked for.

    >>> async with AsyncClient() as client, client.session() as session:
    ...     result = await session.run("6 * 7")

    Args:
        base_url: where the service is, with its version path.
        api_key: the key.
        local: whether to run code in a server of this process, which needs no key and no network.
        settings: any others, by their names in the configuration, such as
            `{"RemoteSession.retry_for": 5}`.

    Raises:
        ConfigurationError: the configuration, or what is given, can't be used.
    """

    def __init__(
        self,
        *,
        base_url: str = "",
        api_key: str = "",
        local: bool = False,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        if local and (base_url or api_key):
            raise ConfigurationError(
                "A local server has an address and a key of its own: give neither `base_url` nor "
                "`api_key` with `local=True`."
            )
        self._config = CATALOGUE.load()
        self._config.merge(_checked(settings or {}))
        self._config.merge(_SETTINGS)
        self._base_url, self._api_key, self._local = base_url, api_key, local
        self._runtime: Runtime | None = None
        self._sessions: list[AsyncSession] = []
        self._is_closed = False

    def session(self, session_id: str = "", *, keep: bool = False) -> AsyncSession:
        """A session, which is to be closed: a new one begins with what is first run in it.

        Args:
            session_id: that of one to join instead. Whether it exists shows when it is first used.
            keep: whether it goes on when it is closed here, for others to join.
        """
        session = AsyncSession(self._open, self._sessions.remove, session_id, keep=keep)
        self._sessions.append(session)
        return session

    async def sessions(self) -> list[SessionInfo]:
        """Your live sessions at the service. It begins none.

        Raises:
            TCIError: every failure.
        """
        with advising():
            return await (await self._open()).client.sessions()

    async def aclose(self) -> None:
        """Close the sessions, and let go of connections. A local server ends, with its sessions."""
        self._is_closed = True
        await asyncio.gather(*(session.aclose() for session in self._sessions))
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            await runtime.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _open(self) -> Runtime:
        """The way to the service, made on first use, with a key where one can be found."""
        if self._is_closed:
            raise UsageError("The client is closed.")
        if self._runtime is None:
            self._runtime = self._new_runtime()
        runtime = self._runtime
        await runtime.find_key()
        return runtime

    def _new_runtime(self) -> Runtime:
        runtime = Runtime(
            Configurable(config=self._config),
            local=self._local,
            session_id="",
            settings=Settings(),
            execution=Execution(self._config.TCIKernel.get("execution", Execution.AUTO)),
        )
        if self._base_url:
            runtime.client.base_url = self._base_url
        if self._api_key:
            runtime.client.api_key = self._api_key
        return runtime


def _checked(settings: Mapping[str, object]) -> Config:
    """Settings as a configuration.

    Raises:
        ConfigurationError: some can't be used.
    """
    config = Config()
    for full_name, value in settings.items():
        section, _, name = full_name.rpartition(".")
        config[section or "?"][name] = value
    checked, problems = CATALOGUE.checked(config, "settings")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return checked
