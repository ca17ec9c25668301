"""The Python API for scripts and notebooks: the way to a service, and to sessions there."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Self

from tci_kernel.api.async_client import AsyncClient
from tci_kernel.api.loop_thread import LoopThread
from tci_kernel.api.sync_session import Session
from tci_kernel.client.schema import SessionInfo


class Client:
    """A service, and the way to sessions there: as `AsyncClient`, for scripts and notebooks.

    Its work is done in a thread of its own, so that any thread may call it, also one whose event
    loop is running. One that is not closed is closed when nothing uses it any more. The end of the
    program does not wait for that: sessions are left as they are then, with what runs in them.

    >>> with Client() as client, client.session() as session:
    ...     result = session.run("6 * 7")

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
        self._client = AsyncClient(
            base_url=base_url, api_key=api_key, local=local, settings=settings
        )
        self._loop = LoopThread()
        self._forgotten = weakref.finalize(self, _tidy_up, self._client, self._loop)

    def session(self, session_id: str = "", *, keep: bool = False) -> Session:
        """A session, which is to be closed: a new one begins with what is first run in it.

        Args:
            session_id: that of one to join instead. Whether it exists shows when it is first used.
            keep: whether it goes on when it is closed here, for others to join.
        """
        return Session(self._client.session(session_id, keep=keep), self._loop, self)

    def sessions(self) -> list[SessionInfo]:
        """Your live sessions at the service. It begins none.

        Raises:
            TCIError: every failure.
        """
        return self._loop.call(self._client.sessions())

    def close(self) -> None:
        """Close the sessions, and let go of connections. A local server ends, with its sessions."""
        if self._forgotten.detach() is None:
            return
        try:
            self._loop.call(self._client.aclose())
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tidy_up(client: AsyncClient, loop: LoopThread) -> None:
    """Close a client that nobody has closed.

    When the program ends, no threads can be had any more, and so no connection: its sessions stay,
    and a local server is tidied up after, as one whose process was killed.
    """
    if threading.main_thread().is_alive():
        loop.close(client.aclose())
    else:
        loop.abandon()
