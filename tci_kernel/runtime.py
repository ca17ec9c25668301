"""What a kernel runs its cells at: Together's service, or a server embedded in the kernel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from traitlets.config import Configurable

from tci_kernel.client import keys
from tci_kernel.client.client import TCIClient
from tci_kernel.client.keys import KeyOrigin
from tci_kernel.config.settings import Layer
from tci_kernel.core.messages import Event
from tci_kernel.session.session import RemoteSession

if TYPE_CHECKING:
    from tci_kernel.local_cells.shell import LocalShell


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked to run.

    Attributes:
        code: a cell as the user wrote it, `%tci` lines and all.
        hidden: the user did not run it.
        number: the cell's number in the notebook; None for hidden code.
        ask: asks who sits in front of it for a secret, given a prompt; None if nobody does.
        show: publishes an event at once, for code that runs in this process.
        read: asks for a line, given a prompt and whether the typing is unseen, as `show` does.
    """

    code: str
    hidden: bool = False
    number: int | None = None
    ask: Callable[[str], Awaitable[str]] | None = None
    show: Callable[[Event], None] = lambda _event: None
    read: Callable[[str, bool], str] | None = None


class Service:
    """A session and the way to it. Made when the first cell needs it, on the event loop it is for.

    Args:
        parent: whose configuration the client and the session take.
        local: whether to embed a server.
        session_id: an existing session to attach to; empty for none.
        layers: where the configuration comes from.

    Attributes:
        client: the way to the service.
        session: where cells run.
        open_local_shell: the IPython in this process, if something has made it.
        line: the `%tci` line that runs, without its `%tci`; None while code does.

    Raises:
        ConfigurationError: the embedded server can't start.
    """

    def __init__(
        self,
        parent: Configurable,
        *,
        local: bool,
        session_id: str,
        layers: Sequence[Layer] = (),
    ) -> None:
        self.client = TCIClient(parent=parent)
        self.local = local
        self.layers = layers
        self._server = None
        self.open_local_shell: LocalShell | None = None
        self.line: str | None = None
        opener = None
        if local:
            from tci_kernel.server.server import LocalServer  # noqa: PLC0415 - most never need it

            self._server = LocalServer.embed(parent)
            self.client.base_url = self._server.base_url
            self.client.api_key = self._server.token
            opener = self._server.open_session
        self.session = RemoteSession(self.client, opener, parent=parent)
        if session_id:
            self.session.attach(session_id)

    @property
    def local_shell(self) -> LocalShell:
        """The IPython in this process, made on first use."""
        if self.open_local_shell is None:
            from tci_kernel.local_cells.shell import LocalShell  # noqa: PLC0415

            self.open_local_shell = LocalShell()
        return self.open_local_shell

    def is_local_code(self, frame: FrameType | None) -> bool:
        """Whether a frame of the main thread belongs to a cell that runs in this process."""
        return self.open_local_shell is not None and self.open_local_shell.is_running_in(frame)

    async def find_key(self) -> None:
        """Look for an API key in the keyring where none is set. Asks nobody."""
        if not self.client.api_key.strip():
            self.client.use_key(await keys.find(self.client.base_url), KeyOrigin.KEYRING)

    async def ensure_key(self, request: Request) -> None:
        """Find an API key, or ask for one if there is somebody to ask. It is kept in memory."""
        await self.find_key()
        if self.client.api_key or request.ask is None or request.hidden:
            return
        self.client.use_key(await request.ask("Together API key: "), KeyOrigin.TYPED)

    async def aclose(self) -> None:
        """Let go of connections, and stop the embedded server."""
        await self.session.aclose()
        if self._server is not None:
            await self._server.aclose()
