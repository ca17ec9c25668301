"""What the kernel's cells run in: made with the first of them, kept for a kernel in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from traitlets import Enum

from tci_kernel.config.options import NotebookOptions
from tci_kernel.config.settings import Settings
from tci_kernel.core.errors import TCIError
from tci_kernel.kernel.publishing import Publishing
from tci_kernel.kernel.session_file import SessionFile
from tci_kernel.session.journal import Journal

if TYPE_CHECKING:
    from tci_kernel.local_cells.shell import LocalShell
    from tci_kernel.runtime import Runtime
    from tci_kernel.session.session import RemoteSession
    from tci_kernel.transfer.sync import Sync


# Seconds after a client's first question, in which it asks more: `jupyter console` waits one second
# for the history, and takes an answer that comes later for the end of a cell.
FIRST_QUESTIONS = 0.25


class RuntimeOwner(NotebookOptions, Publishing):
    """The base of the kernel that makes what its cells run in, and knows the session."""

    sync = Enum(
        ("off", "upload"),
        default_value="off",
        help="Whether files that a cell names are sent before it runs: with 'upload', those of the "
        "notebook's directory that the session lacks or has in an older state, and imported "
        "modules that lie there. Each is shown. Hidden files are never sent.",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._journal = Journal()
        self._notes: Sequence[str] = ()
        self._runtime: Runtime | None = None
        self._session_file = SessionFile(getattr(self.parent, "abs_connection_file", ""))
        self._sync: Sync | None = None
        self._warming: asyncio.Task[None] | None = None

    async def kernel_info_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Answer; then, with the client served, open what the first cell will need."""
        await super().kernel_info_request(stream, ident, parent)
        if self.local:
            self.loop.call_soon_threadsafe(self._begin_warm_up)

    @property
    def session_in_use(self) -> RemoteSession | None:
        """The session, if there is one."""
        if self._runtime is None or self._runtime.session.id is None:
            return None
        return self._runtime.session

    def _takes_hidden_cells(self) -> bool:
        if self._runtime is None:
            return self.local or bool(self.session_id)
        return self._runtime.session.takes_hidden_cells

    def interrupt_session(self) -> bool:
        """Have the session stop the running cell; whether it runs one."""
        return self._runtime is not None and self._runtime.session.interrupt()

    def is_local_code(self, frame: FrameType | None) -> bool:
        """Whether a frame of the main thread belongs to a cell that runs in this process."""
        shell = self.open_local_shell
        return shell is not None and shell.is_running_in(frame)

    def _open_runtime(self) -> Runtime:
        """What the cells run in, made ready on first use: starting the kernel does no I/O."""
        if self._runtime is None:
            from tci_kernel.runtime import Runtime  # noqa: PLC0415
            from tci_kernel.session.automatic import Execution  # noqa: PLC0415

            if self.sync == "upload":
                from tci_kernel.transfer.sync import Sync  # noqa: PLC0415

                self._sync = Sync()
            self._runtime = Runtime(
                self,
                local=self.local,
                session_id=self.session_id,
                settings=getattr(self.parent, "settings", None) or Settings(),
                journal=self._journal,
                execution=Execution(self.execution),
                listener=self.emit,
            )
            self._resume(self._runtime.session, self._runtime.client.address)
        return self._runtime

    def _resume(self, session: RemoteSession, service: str) -> None:
        """Go on with the session of the kernel in whose place this one was started."""
        if self.local or self.session_id or not self._session_file.resume(session, service):
            return
        self.show_with_next_cell(
            [
                "The kernel was started again after its process had ended. Its session was not",
                "lost: variables, files and what cells have printed since are there.",
            ]
        )

    def keep_session(self, *, restarts: bool = False) -> None:
        """Keep the session for a kernel in this one's place, where it can go on with it."""
        session = self.session_in_use
        if self._runtime is not None and session is not None and not self.local:
            self._session_file.keep(session, self._runtime.client.address, restarts=restarts)

    def local_shell(self) -> LocalShell:
        """The IPython in this process, made on first use."""
        return self._open_runtime().local_shell

    @property
    def open_local_shell(self) -> LocalShell | None:
        """The IPython in this process, if something has made it."""
        return None if self._runtime is None else self._runtime.open_local_shell

    def _begin_warm_up(self) -> None:
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm_up())

    async def _warm_up(self) -> None:
        """Start the embedded server and a session before the first cell asks for them."""
        try:
            await asyncio.sleep(FIRST_QUESTIONS)
            await asyncio.to_thread(_import_runtime)
            await self._open_runtime().open()
        except TCIError as error:
            self.log.debug("No session could be opened early: %s", error)  # the first cell says it

    async def _close_runtime(self, *, ends_session: bool) -> None:
        if self._warming is not None:
            self._warming.cancel()
        if self._runtime is not None:
            await self._runtime.aclose(ends_session=ends_session)

    def show_with_next_cell(self, lines: Sequence[str]) -> None:
        """Have the user read something with the first cell that is run."""
        self._notes = [*self._notes, *lines]


def _import_runtime() -> None:
    """Import what a runtime with an embedded server needs: some tenths of a second of computing."""
    from tci_kernel.runtime import embedded_server  # noqa: PLC0415

    embedded_server()
