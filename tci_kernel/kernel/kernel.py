"""The kernel: Jupyter requests in, Jupyter messages out. Knows no HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

from traitlets import Bool

from tci_kernel.config.traits import EnvironmentText
from tci_kernel.core.errors import TCIError
from tci_kernel.core.lines import local_cell
from tci_kernel.core.messages import Event, Failure, Stream
from tci_kernel.kernel.interrupts import Interruptible
from tci_kernel.kernel.outcome import Outcome
from tci_kernel.kernel.pacing import IOPubPacer, stream_bytes
from tci_kernel.kernel.prompts import Asker
from tci_kernel.kernel.vscode import BackgroundCall, answered, background_call, without_session
from tci_kernel.session.notice import without_loss

if TYPE_CHECKING:
    from tci_kernel.local_cells.shell import LocalShell
    from tci_kernel.runtime import Request, Service
    from tci_kernel.session.session import RemoteSession

# Seconds that a shutdown may take for letting go of what the kernel holds. Jupyter Server waits
# 2.5 s before it sends SIGTERM.
SHUTDOWN_LIMIT = 1.0


class TCIKernel(Interruptible):
    """A Jupyter kernel that runs each cell at a TCI service, under one persistent session."""

    local = Bool(
        False,
        help="Run the cells in a local server embedded in the kernel: no key, no network.",
    ).tag(config=True)

    session_id = EnvironmentText(
        "TCI_SESSION_ID",
        help="An existing session to run the cells in, instead of a new one.",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._count = 1
        self._untold: Sequence[str] = ()
        self._service: Service | None = None
        self._warming: asyncio.Task[None] | None = None
        # Jupyter Server names the notebook in this variable; other hosts have no rate limits.
        self._pacer = IOPubPacer() if os.environ.get("JPY_SESSION_NAME") else None

    # -- what the base class asks ------------------------------------------------------------

    @property
    def execution_count(self) -> int:
        """The number of the running cell, or of the next one."""
        return self._count

    @execution_count.setter
    def execution_count(self, _value: int) -> None:
        # The base class counts hidden requests as well; `do_execute` counts the user's cells.
        pass

    async def kernel_info_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Answer; then, with the client served, open what the first cell will need."""
        await super().kernel_info_request(stream, ident, parent)
        if self.local:
            self.loop.call_soon_threadsafe(self._begin_warm_up)

    def _begin_warm_up(self) -> None:
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm_up())

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, Any] | None = None,
        allow_stdin: bool = False,
        **_cell: object,
    ) -> dict[str, Any]:
        """Run a cell and publish what it produces.

        Only a cell that the user runs (`store_history`) advances the count, and only such a cell
        may open a session that costs money.

        Returns:
            the content of the `execute_reply`.
        """
        hidden = silent or not store_history
        outcome = Outcome()
        if hidden and (call := background_call(code)) is not None:
            await self._answer(call)
        elif hidden and not self._takes_hidden_cells():
            for event in without_session(code):
                await self.emit(event)
        elif code.strip():
            await self._run(_Request(code, hidden, silent, allow_stdin), outcome)
            if not hidden:
                self.remember(self._count, code, outcome.result)
                self._count = outcome.next_count or self._count + 1
        reply = {"execution_count": self._count - 1, "payload": outcome.payload}
        if outcome.failure is not None:
            return {"status": "error", **outcome.failure.content(), **reply, "user_expressions": {}}
        values = await self._evaluate(code, user_expressions) if user_expressions else {}
        return {"status": "ok", **reply, "user_expressions": values}

    async def _answer(self, call: BackgroundCall) -> None:
        """Answer VS Code's way of asking for a completion or an inspection."""
        method = self.do_complete if call.method == "complete" else self.do_inspect
        place, content = answered(call.mime, await method(*call.arguments))
        await self.emit(place)
        await self.emit(content)

    async def _evaluate(self, code: str, expressions: dict[str, Any]) -> dict[str, Any]:
        """The values of expressions where a cell ran, or an error for each."""
        if local_cell(code) is not None:
            return self.local_shell().evaluate(expressions)
        values = await self.ask_session("user_expressions", expressions=expressions)
        if isinstance(values, dict):
            return values
        error = Failure.from_error(NotImplementedError("the session can't be asked"))
        return {name: {"status": "error", **error.content()} for name in expressions}

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """Let go of connections and of the embedded server, in bounded time.

        Runs on the control thread; what is closed belongs to the main thread's event loop.
        """
        self.interrupt()
        closing = asyncio.run_coroutine_threadsafe(self._close(), self.loop)
        try:
            await asyncio.wait_for(asyncio.wrap_future(closing), SHUTDOWN_LIMIT)
        except TimeoutError:
            self.log.warning("Shutting down without waiting for the network")
        return {"status": "ok", "restart": restart}

    def tell(self, lines: Sequence[str]) -> None:
        """Have the user read something with the first cell that is run."""
        self._untold = lines

    # -- running a cell ----------------------------------------------------------------------

    def _takes_hidden_cells(self) -> bool:
        if self._service is None:
            return self.local or bool(self.session_id)
        return self._service.session.takes_hidden_cells

    async def _run(self, request: _Request, outcome: Outcome) -> None:
        """Run a cell as a task of its own, which an interrupt cancels.

        Whatever happens ends here, in a failure that is published and noted: an exception that
        escaped would leave the request without a reply.
        """
        self.running = asyncio.create_task(self._publish(request, outcome))
        try:
            await self.running
            return
        except asyncio.CancelledError:
            if _is_cancelled():
                raise  # no interrupt of the cell: the event loop itself is ending
            failure = Failure.from_error(KeyboardInterrupt(self._what_an_interrupt_leaves()))
        except TCIError as error:
            failure = Failure.from_error(error)
        except Exception as error:  # the one boundary where a reply must go out
            self.log.exception("A cell failed in the kernel itself")
            failure = Failure.from_error(error)
        finally:
            self.running = None
        outcome.failure = failure
        if not request.silent:
            await self.emit(failure)

    async def _publish(self, request: _Request, outcome: Outcome) -> None:
        """Publish each event of a cell, and note what its reply must hold."""
        from tci_kernel.runtime import Request  # noqa: PLC0415

        asker = self._asker() if request.allow_stdin else None
        parent = self.get_parent("shell")

        def show(event: Event) -> None:
            outcome.note(event)
            if not request.silent:
                self._emit_blocking(event, parent)

        cell = Request(
            request.code,
            request.hidden,
            number=None if request.hidden else self._count,
            ask=asker.ask_secret if asker else None,
            show=show,
            read=asker.ask_blocking if asker else None,
        )
        async for event in without_loss(self._events(cell)):
            outcome.note(event)
            if not request.silent:
                await self.emit(event)

    async def _events(self, cell: Request) -> AsyncIterator[Event]:
        """What a cell produces, after what the user has yet to be told."""
        from tci_kernel.kernel.dispatch import run  # noqa: PLC0415

        if not cell.hidden and self._untold:
            untold, self._untold = self._untold, ()
            yield Stream("stderr", "".join(f"{line}\n" for line in untold))
        async for event in run(cell, self._open_service()):
            yield event

    @property
    def free_session(self) -> RemoteSession | None:
        """The session, if there is one that can be asked now."""
        if self._service is None or self.running is not None:
            return None
        return self._service.session if self._service.session.id is not None else None

    def _asker(self) -> Asker | None:
        """The way to ask the user of the running cell."""
        if self.session is None:
            return None
        client = self._shell_parent_ident.get()
        return Asker(self.session, self.stdin_socket, self.get_parent("shell"), client)

    async def emit(self, event: Event) -> None:
        """Publish an event on IOPub."""
        for message_type, content in event.messages(self._count):
            if self._pacer is not None:
                await self._pacer.wait(stream_bytes(message_type, content))
            self.send_response(self.iopub_socket, message_type, content)

    def _emit_blocking(self, event: Event, parent: Mapping[str, Any]) -> None:
        """Publish an event of a request, from code that the event loop waits for or a thread."""
        for message_type, content in event.messages(self._count):
            if self._pacer is not None:
                self._pacer.block(stream_bytes(message_type, content))
            if self.session is not None:
                self.session.send(self.iopub_socket, message_type, content, dict(parent))

    def _what_an_interrupt_leaves(self) -> str:
        if self._service is None or not self._service.client.api_key:
            return "nothing was sent: there is no key."
        if self._service.line is not None:
            return f"'%tci {self._service.line}' was stopped; what stands below it did not run."
        if self.local:
            return ""
        left = (
            "stopped waiting. The service has no way to stop code: it may still be running there, "
            "and the next cell may have to wait for it."
        )
        if self._service.session.id is None:
            left += " If it began a session, the next cell begins another."
        return left

    def is_local_code(self, frame: FrameType | None) -> bool:
        """Whether a frame of the main thread belongs to a cell that runs in this process."""
        return self._service is not None and self._service.is_local_code(frame)

    # -- the service behind the kernel -------------------------------------------------------

    def _open_service(self) -> Service:
        """The service, made ready on first use: starting the kernel does no I/O."""
        if self._service is None:
            from tci_kernel.runtime import Service  # noqa: PLC0415

            self._service = Service(
                self,
                local=self.local,
                session_id=self.session_id,
                layers=getattr(self.parent, "layers", ()),  # of the application
            )
        return self._service

    def local_shell(self) -> LocalShell:
        """The IPython in this process, made on first use."""
        return self._open_service().local_shell

    @property
    def open_local_shell(self) -> LocalShell | None:
        """The IPython in this process, if something has made it."""
        return None if self._service is None else self._service.open_local_shell

    async def _warm_up(self) -> None:
        """Start the embedded server and a session before the first cell asks for them.

        The interpreter is a process: while it starts, what requests need is imported.
        """
        try:
            opening = self._open_service().session.open()
            await asyncio.gather(opening, asyncio.to_thread(import_module, "httpx"))
        except TCIError as error:
            self.log.debug("No session could be opened early: %s", error)  # the first cell says it

    async def _close(self) -> None:
        self.cancel()
        if self._warming is not None:
            self._warming.cancel()
        self.close_history()
        if self._service is not None:
            await self._service.aclose()


@dataclass(frozen=True, slots=True)
class _Request:
    """An `execute_request`: what it runs, and how."""

    code: str
    hidden: bool
    silent: bool
    allow_stdin: bool


def _is_cancelled() -> bool:
    """Whether the calling task itself, and not one that it awaits, was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
