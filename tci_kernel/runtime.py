"""What a notebook runs in: a session at a service, a server for it here, a shell for `%%local`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from traitlets.config import Configurable

from tci_kernel.client import keys
from tci_kernel.client.client import KEYS_URL, TOGETHER, TCIClient
from tci_kernel.client.keys import KeyOrigin
from tci_kernel.client.transport import split_url
from tci_kernel.config.settings import Settings
from tci_kernel.core.cell import END_OF_INPUT, Cell, LocalFrontend
from tci_kernel.core.errors import TCIError, UsageError
from tci_kernel.core.messages import Message, display
from tci_kernel.session.automatic import Execution
from tci_kernel.session.journal import Journal
from tci_kernel.session.session import RemoteSession, ignored

if TYPE_CHECKING:
    from tci_kernel.local_cells.names import LocalNames
    from tci_kernel.local_cells.shell import LocalShell
    from tci_kernel.server.server import LocalServer


def embedded_server() -> type[LocalServer]:
    """The server that can be embedded, imported by those who need it: that takes a while."""
    from tci_kernel.server.server import LocalServer  # noqa: PLC0415

    return LocalServer


class Runtime:
    """A session and the way to it. Made when the first cell needs it, on the event loop it is for.

    Args:
        parent: whose configuration the client and the session take.
        local: whether to embed a server.
        session_id: an existing session to attach to; empty for none.
        settings: what is in force, for those who ask.
        journal: of the cells that run; None for one of its own.
        execution: how cells are run.
        listener: publishes what comes of the session while no cell runs in it.
        names: the variables on this computer; None for those of `%%local` cells.

    Attributes:
        journal: what ran.
        client: the way to the service.
        session: where cells run.
        open_local_shell: the IPython in this process, if something has made it.

    Raises:
        ConfigurationError: the embedded server can't start.
    """

    def __init__(
        self,
        parent: Configurable,
        *,
        local: bool,
        session_id: str,
        settings: Settings,
        journal: Journal | None = None,
        execution: Execution = Execution.AUTO,
        listener: Callable[[Message], Awaitable[None]] = ignored,
        names: LocalNames | None = None,
    ) -> None:
        self.client = TCIClient(parent=parent)
        self.local = local
        self.settings = settings
        self.journal = journal or Journal()
        self.open_local_shell: LocalShell | None = None
        self._names = names
        self._server = None
        self._made_with = (parent, execution)
        self._opener: Callable[[], Awaitable[str]] | None = None
        if local:
            self._server = embedded_server().embed(parent)
            self.client.base_url = self._server.base_url
            self.client.api_key = self._server.token
            self._opener = self._server.open_session
            self.client.use_embedded(self._server)
        self.session = self.new_session(listener)
        if session_id:
            self.session.attach(session_id)

    def new_session(
        self, listener: Callable[[Message], Awaitable[None]] = ignored
    ) -> RemoteSession:
        """A session beside the others, which is yet to begin, and to be released.

        Args:
            listener: publishes what comes of it while no cell runs in it.
        """
        parent, execution = self._made_with
        return RemoteSession(self.client, self._opener, listener, execution, parent=parent)

    @property
    def local_shell(self) -> LocalShell:
        """The IPython in this process, made on first use.

        Raises:
            UsageError: the user has one of their own here.
        """
        if self._names is not None:
            raise UsageError(
                "%%local is for notebooks on the kernel tci.",
                fate="The code did not run.",
                advice="In this one, a cell without %%tci runs on this computer.",
            )
        if self.open_local_shell is None:
            from tci_kernel.local_cells.shell import LocalShell  # noqa: PLC0415

            self.open_local_shell = LocalShell()
        return self.open_local_shell

    @property
    def local_names(self) -> LocalNames:
        """The variables on this computer."""
        return self._names or self.local_shell

    async def open(self) -> None:
        """Begin a session where that costs nothing.

        Raises:
            TCIError: it can't begin; the first cell will say so again.
        """
        await self.session.open()

    async def find_key(self) -> None:
        """Look for an API key in the keyring where none is set. Asks nobody."""
        if not self.client.api_key.strip():
            self.client.use_key(await keys.find(self.client.base_url), KeyOrigin.KEYRING)

    async def ensure_key(self, cell: Cell) -> None:
        """Find an API key, or ask for one if there is somebody to ask. It is kept in memory."""
        await self.find_key()
        asked = None if self.client.api_key or cell.hidden else cell.frontend
        if asked is not None and asked.takes_questions:
            about, prompt = self._about_key(), "API key: "
            if isinstance(asked, LocalFrontend):  # a notebook, which shows prompts in one line
                asked.show(display({"text/plain": about}))
            else:
                prompt = f"{about}\n{prompt}"
            key = await asked.ask(prompt, hidden=True)
            self.client.use_key("" if key == END_OF_INPUT else key, KeyOrigin.TYPED)

    def _about_key(self) -> str:
        """What somebody wants to know who is asked for a key."""
        price = self.session.session_price
        lines = [f"Cells run in sessions at {self.client.address}, which takes a key."]
        if split_url(self.client.base_url).hostname in TOGETHER:
            lines = [
                "Cells run in sessions at Together, which bills each.",
                f"A key is made at {KEYS_URL}.",
            ]
        if price is not None:
            lines.append(f"A session costs {price:g} (RemoteSession.session_price).")
        lines.append("The key stays in this process's memory; 'tci-kernel login' would store it.")
        return "\n".join(lines)

    async def aclose(self, *, ends_session: bool = False) -> None:
        """Let go of connections, and stop the embedded server.

        Args:
            ends_session: whether a session that began in this notebook ends, where the service can
                do that.
        """
        if ends_session and self.session.is_own and self.session.can_end:
            with suppress(TCIError):  # it ends by itself, in its time
                await self.session.end()
        await self.session.aclose()
        if self._server is not None:
            await self._server.aclose()
