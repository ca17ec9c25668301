"""The kernel: Jupyter requests in, Jupyter messages out. Knows no HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

from ipykernel.kernelbase import Kernel
from traitlets import Bool

from tci_kernel import __version__
from tci_kernel.errors import TCIError
from tci_kernel.events import Event, Failure, Message
from tci_kernel.pacing import IOPubPacer

if TYPE_CHECKING:
    from tci_kernel.local.server import LocalServer
    from tci_kernel.session import RemoteSession

# Seconds that a shutdown may take for letting go of what the kernel holds. Jupyter Server waits
# 2.5 s before it sends SIGTERM.
SHUTDOWN_LIMIT = 1.0

# The protocol version of the messages that ipykernel's base class exchanges.
PROTOCOL_VERSION = "5.3"


class TCIKernel(Kernel):
    """A Jupyter kernel that runs each cell at a TCI service, under one persistent session."""

    local = Bool(
        False,
        help="Run the cells in a local server embedded in the kernel: no key, no network.",
    ).tag(config=True)

    implementation = "tci_kernel"
    implementation_version = __version__
    banner = f"tci-kernel {__version__}: Python cells that run in a code interpreter"
    # The fields of ipykernel, with this machine's version: the service does not say its own.
    language_info = {  # noqa: RUF012
        "name": "python",
        "version": sys.version.split()[0],
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._count = 1
        self._running: asyncio.Task[Failure | None] | None = None
        self._remote: RemoteSession | None = None
        self._server: LocalServer | None = None
        # Jupyter Server names the notebook in this variable; other hosts have no rate limits.
        self._pacer = IOPubPacer() if os.environ.get("JPY_SESSION_NAME") else None

    def start(self) -> None:
        """Begin to answer messages, and turn SIGINT into an interrupt of the running cell."""
        super().start()
        # The attribute is public and documented, and missing from tornado's annotations.
        self._loop: asyncio.AbstractEventLoop = self.io_loop.asyncio_loop  # type: ignore[attr-defined]
        signal.signal(signal.SIGINT, self._on_sigint)

    # -- what the base class asks ------------------------------------------------------------

    @property
    def execution_count(self) -> int:
        """The number of the running cell, or of the next one."""
        return self._count

    @execution_count.setter
    def execution_count(self, _value: int) -> None:
        # The base class counts hidden requests as well; `do_execute` counts the user's cells.
        pass

    @property
    def kernel_info(self) -> dict[str, Any]:
        """What a client may rely on. The base class would claim a debugger and subshells."""
        return {
            "protocol_version": PROTOCOL_VERSION,
            "implementation": self.implementation,
            "implementation_version": self.implementation_version,
            "language_info": self.language_info,
            "banner": self.banner,
            "help_links": self.help_links,
            "supported_features": [],
        }

    def pre_handler_hook(self) -> None:
        """Keep our SIGINT handler: the base class would install one that ends the process."""

    def post_handler_hook(self) -> None:
        """Nothing to restore after `pre_handler_hook`."""

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, Any] | None = None,  # noqa: ARG002
        allow_stdin: bool = False,  # noqa: ARG002
        **_cell: object,
    ) -> dict[str, Any]:
        """Run a cell and publish what it produces.

        Only a cell that the user runs (`store_history`) advances the count, and only such a cell
        may open a session that costs money.

        Returns:
            the content of the `execute_reply`.
        """
        asked_for = store_history and not silent
        failure = None
        if code.strip() and (asked_for or self._may_run_hidden()):
            failure = await self._run(code, silent)
            if asked_for:
                self._count += 1
        reply: dict[str, Any] = {"execution_count": self._count - 1, "user_expressions": {}}
        if failure is None:
            return {"status": "ok", "payload": [], **reply}
        return {"status": "error", "payload": [], **failure.content(), **reply}

    async def do_debug_request(self, msg: dict[str, Any]) -> dict[str, Any]:
        """Say plainly that there is no debugger; the base class would not answer at all."""
        return {
            "type": "response",
            "request_seq": msg.get("seq", 0),
            "success": False,
            "command": msg.get("command", ""),
            "message": "tci-kernel has no debugger",
        }

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """Let go of connections and of the embedded server, in bounded time.

        Runs on the control thread; what is closed belongs to the main thread's event loop.
        """
        closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        try:
            await asyncio.wait_for(asyncio.wrap_future(closing), SHUTDOWN_LIMIT)
        except TimeoutError:
            self.log.warning("Shutting down without waiting for the network")
        return {"status": "ok", "restart": restart}

    async def interrupt_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Stop the running cell. The base class would send SIGINT to the whole process group."""
        self._loop.call_soon_threadsafe(self._cancel)
        if self.session:
            self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)

    async def create_subshell_request(self, socket: Any, ident: Any, parent: Any) -> None:
        """Refuse: a cell on another thread would share this thread's connections."""
        self._refuse_subshell(socket, ident, parent)

    async def delete_subshell_request(self, socket: Any, ident: Any, parent: Any) -> None:
        """Refuse: there are no subshells."""
        self._refuse_subshell(socket, ident, parent)

    def _refuse_subshell(self, socket: Any, ident: Any, parent: Any) -> None:
        content = {
            "status": "error",
            **Failure.from_error(NotImplementedError("tci-kernel has no subshells")).content(),
        }
        reply = parent["header"]["msg_type"].replace("_request", "_reply")
        if self.session:
            self.session.send(socket, reply, content, parent, ident=ident)

    # -- running a cell ----------------------------------------------------------------------

    def _may_run_hidden(self) -> bool:
        """Whether code that the user did not ask for may run: it must not buy a session."""
        return self.local or (self._remote is not None and self._remote.live)

    async def _run(self, code: str, silent: bool) -> Failure | None:
        """Run a cell as a task of its own, which an interrupt cancels.

        Whatever happens ends here, in a failure that is published and returned: an exception
        that escaped would leave the request without a reply.
        """
        self._running = asyncio.create_task(self._publish(code, silent))
        try:
            return await self._running
        except asyncio.CancelledError:
            if _is_cancelled():
                raise  # no interrupt of the cell: the event loop itself is ending
            failure = self._interrupted()
        except TCIError as error:
            failure = Failure.from_error(error)
        except Exception as error:  # the one boundary where a reply must go out
            self.log.exception("A cell failed in the kernel itself")
            failure = Failure.from_error(error)
        finally:
            self._running = None
        if not silent:
            await self.emit(failure)
        return failure

    async def _publish(self, code: str, silent: bool) -> Failure | None:
        """Publish each event of a cell, and return its failure if it has one."""
        from tci_kernel.session import Cell  # noqa: PLC0415

        session = await self._open_session()
        failure = None
        async for event in session.run(Cell(code)):
            if isinstance(event, Failure):
                failure = event
            if not silent:
                await self.emit(event)
        return failure

    async def emit(self, event: Event) -> None:
        """Publish an event on IOPub. The one place that does."""
        for message in event.messages(self._count):
            if self._pacer is not None:
                await self._pacer.wait(_stream_bytes(message))
            message_type, content = message
            self.send_response(self.iopub_socket, message_type, content)

    def _interrupted(self) -> Failure:
        if self.local:
            return Failure.from_error(KeyboardInterrupt())
        return Failure.from_error(
            KeyboardInterrupt(
                "stopped waiting. The service has no way to stop code: it may still be running "
                "there, and the next cell may have to wait for it."
            )
        )

    def _on_sigint(self, _signum: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        """Cancel the running cell, once: a second interrupt must not break the clean-up."""
        if self._running is not None and not self._running.cancelling():
            self._running.cancel()

    # -- the service behind the kernel -------------------------------------------------------

    async def _open_session(self) -> RemoteSession:
        """The session, made ready on first use: starting the kernel does no I/O."""
        if self._remote is None:
            from tci_kernel.client import TCIClient  # noqa: PLC0415
            from tci_kernel.session import RemoteSession  # noqa: PLC0415

            client = TCIClient(parent=self)
            if self.local:
                from tci_kernel.local.server import LocalServer  # noqa: PLC0415

                self._server = LocalServer.embed()
                client.base_url = self._server.base_url
                client.api_key = self._server.token
            self._remote = RemoteSession(client)
        if self._server is not None and not self._remote.live:
            # Opened here, where it is free, so that an interrupted first cell keeps its session.
            self._remote.id = await self._server.open_session()
        return self._remote

    async def _close(self) -> None:
        self._cancel()
        if self._remote is not None:
            await self._remote.aclose()
        if self._server is not None:
            await self._server.aclose()


def _stream_bytes(message: Message) -> int:
    """The bytes that Jupyter Server's data rate counts: those of stream text alone."""
    message_type, content = message
    if message_type != "stream":
        return 0
    # As they are sent: an escape such as a line end's or a colour's is longer than its character.
    return len(json.dumps(content["text"], ensure_ascii=False).encode())


def _is_cancelled() -> bool:
    """Whether the calling task itself, and not one that it awaits, was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
