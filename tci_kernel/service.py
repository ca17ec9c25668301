"""What a kernel runs its cells at: Together's service, or a server embedded in the kernel."""

from __future__ import annotations

from traitlets.config import Configurable

from tci_kernel.client import TCIClient
from tci_kernel.errors import AuthenticationFailed, TCIError
from tci_kernel.session import RemoteSession


class Service:
    """A session and the way to it. Made when the first cell needs it, on the event loop it is for.

    Args:
        parent: whose configuration the client and the session take.
        local: whether to embed a server.
        session_id: an existing session to attach to; empty for none.

    Raises:
        ConfigurationError: the embedded server can't start.
    """

    def __init__(self, parent: Configurable, *, local: bool, session_id: str) -> None:
        self._client = TCIClient(parent=parent)
        self._server = None
        opener = None
        if local:
            from tci_kernel.local.server import LocalServer  # noqa: PLC0415 - most never need it

            self._server = LocalServer.embed()
            self._client.base_url = self._server.base_url
            self._client.api_key = self._server.token
            opener = self._server.open_session
        self._is_key_given = False
        self.session = RemoteSession(self._client, opener, parent=parent)
        if session_id:
            self.session.attach(session_id)

    @property
    def needs_key(self) -> bool:
        """Whether there is no API key."""
        return not self._client.api_key.strip()

    def give_key(self, key: str) -> None:
        """Use a key that the user typed. It is kept in memory only."""
        self._client.api_key = key
        self._is_key_given = True

    def heed(self, error: TCIError) -> None:
        """Forget a typed key that the service does not know, so that the user is asked again."""
        if self._is_key_given and isinstance(error, AuthenticationFailed):
            self._client.api_key = ""
            self._is_key_given = False

    async def aclose(self) -> None:
        """Let go of connections, and stop the embedded server."""
        await self.session.aclose()
        if self._server is not None:
            await self._server.aclose()
