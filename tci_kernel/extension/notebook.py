"""The session of a notebook whose cells are run by magics, on the event loop of its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from traitlets.config import Config, Configurable

from tci_kernel.commands.completion import complete
from tci_kernel.config.settings import merged
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import Interrupted, MissingKey, TCIError, UsageError
from tci_kernel.core.messages import Message, error_of, reply, stream
from tci_kernel.extension.arguments import Arguments
from tci_kernel.extension.screen import Screen
from tci_kernel.extension.settings import read
from tci_kernel.extension.worker import Calls
from tci_kernel.local_cells.names import LocalNames
from tci_kernel.notebook.dispatch import run
from tci_kernel.notebook.payloads import permitted
from tci_kernel.notebook.upkeep import Upkeep
from tci_kernel.runtime import Runtime
from tci_kernel.session.automatic import Execution
from tci_kernel.session.journal import Journal
from tci_kernel.session.notice import ShownOutputs
from tci_kernel.session.session import RemoteSession

_NO_KEY = (
    "Run 'tci-kernel login', or set the environment variable TOGETHER_API_KEY; '%%tci --local' "
    "needs no key."
)


class Options(Protocol):
    """What the user has set in IPython."""

    local: bool
    session_id: str
    execution: str
    config: Config


@dataclass(frozen=True, slots=True)
class MagicFrontend:
    """Who waits for a cell. See `Frontend`.

    Attributes:
        takes_questions: whether they can be asked.
        calls: has their thread do something.
        screen: what they look at.
    """

    takes_questions: bool
    calls: Calls
    screen: Screen

    async def ask(self, prompt: str, *, hidden: bool) -> str:
        """What the user types at a prompt. They may interrupt that."""
        return await self.calls.make(partial(self.screen.ask, prompt, hidden=hidden), asks=True)


class Notebook:
    """Runs cells in one session, which begins with the first of them.

    Args:
        options: what the user has set.
        screen: where what comes of them is shown.
        names: the user's variables.
    """

    def __init__(self, options: Options, screen: Screen, names: LocalNames) -> None:
        self._options = options
        self._screen = screen
        self._names = names
        self._journal = Journal()
        self._upkeep = Upkeep(self)
        self._runtime: Runtime | None = None
        self._notes: list[str] = []
        self._turn = asyncio.Lock()
        self._running: asyncio.Task[Message] | None = None
        self._emit: Callable[[Message], Awaitable[None]] = self._show_late
        self._context = copy_context()

    @property
    def session(self) -> RemoteSession | None:
        """The session, if there is one."""
        if self._runtime is None or self._runtime.session.id is None:
            return None
        return self._runtime.session

    @property
    def is_local(self) -> bool:
        """Whether cells run on this computer."""
        return self._runtime is not None and self._runtime.local

    async def run(
        self, codes: Sequence[str], number: int, arguments: Arguments, calls: Calls
    ) -> Mapping[str, Any] | None:
        """Run cells until one fails, and show what they produce.

        Args:
            codes: the cells.
            number: that of the user's cell.
            arguments: where they run.
            calls: has the thread that waits do something.

        Returns:
            the content of the error that has ended them, which is yet to be shown.
        """
        async with self._turn:
            frontend = MagicFrontend(self._screen.takes_questions, calls, self._screen)
            for code in codes:
                cell = Cell(code, number, frontend=frontend)
                failure = await self._run(cell, arguments, calls)
                if failure is not None:
                    return failure
        return None

    async def complete(self, line: str) -> list[str]:
        """What completes the last word of a `%tci` line; names in the session while no cell runs.

        Args:
            line: what stands between `%tci` and the cursor.
        """
        session = None if self._running is not None else self.session
        found: list[str] = (await complete(line, len(line), session, self._names))["matches"]
        return found

    def stop(self) -> None:
        """Stop the running cell where it runs; what runs nowhere yet is cancelled."""
        is_stopped = self._runtime is not None and self._runtime.session.interrupt()
        running = self._running
        if not is_stopped and running is not None and not running.cancelling():
            running.cancel()

    async def aclose(self, *, ends_session: bool) -> None:
        """Let go of what is held. See `Runtime.aclose`."""
        await self._upkeep.aclose()
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            await runtime.aclose(ends_session=ends_session)

    # -- a cell ------------------------------------------------------------------------------

    async def _run(
        self, cell: Cell, arguments: Arguments, calls: Calls
    ) -> Mapping[str, Any] | None:
        """Run a cell as a task of its own, which an interrupt may cancel; gives its error."""
        entry = self._journal.begin(cell)
        errors: list[Message] = []

        async def emit(message: Message) -> None:
            await calls.make(partial(self._screen.show, message))

        # It is that of the thread which waits: by it ipykernel tells whose an output is.
        self._emit, self._context = emit, copy_context()
        self._running = asyncio.create_task(self._publish(cell, arguments, entry.shown, errors))
        try:
            ended = await self._running
        except asyncio.CancelledError:
            ended = _failure(Interrupted(""), cell, errors, entry.shown)
        except TCIError as error:
            if isinstance(error, MissingKey):
                error.advice = _NO_KEY
            ended = _failure(error, cell, errors, entry.shown)
        finally:
            self._running, self._emit = None, self._show_late
        session = self.session
        self._journal.end(entry, ended.content, None if session is None else session.id)
        if session is not None:
            self._upkeep.watch(session)
        for item in permitted(ended.content.get("payload"), hidden=True):
            await calls.make(partial(self._screen.show_payload, item))
        # IPython shows the one that it is given; code may have shown others, and go on.
        has_failed = ended.content.get("status") != "ok"
        last = errors.pop().content if has_failed and errors else ended.content
        for shown in errors:
            await emit(shown)
        return last if has_failed else None

    async def _publish(
        self, cell: Cell, arguments: Arguments, shown: ShownOutputs, errors: list[Message]
    ) -> Message:
        """Show the messages of a cell, but for errors, which are gathered; gives its reply."""
        ended = reply(cell.number)
        runtime = await self._open(arguments)
        await self._upkeep.wait()
        notes, self._notes = self._notes, []
        if notes:
            await self._emit(stream("stderr", "".join(f"{line}\n" for line in notes)))
        async with aclosing(run(cell, runtime)) as messages:
            async for message in messages:
                if message.type == "execute_reply":
                    ended = message
                    continue
                for each in shown.publishable(message):
                    if each.type == "error":
                        errors.append(each)
                    else:
                        await self._emit(each)
        return ended

    async def _show_late(self, message: Message) -> None:
        """Show what comes while no cell waits, below the last one."""
        self._context.run(self._screen.show, message)

    # -- what the cells run in ---------------------------------------------------------------

    async def _open(self, arguments: Arguments) -> Runtime:
        """What a cell runs in, by what its line says. Nothing begins before a cell asks for it.

        Raises:
            UsageError: it can't be where the cells before it have run.
        """
        local, session_id = arguments.local, arguments.session_id
        if local and session_id:
            raise UsageError(
                "The server on this computer has no sessions yet: give --session or --local.",
                fate="The code did not run.",
            )
        runtime = self._runtime
        if runtime is not None and self._moves(runtime, arguments):
            if runtime.session.id is not None:
                raise UsageError(
                    f"This notebook's cells run in {runtime.session.id} of "
                    f"{runtime.client.address}.",
                    fate="The code did not run.",
                    advice="'%reload_ext tci_kernel' lets go of that first.",
                )
            await self.aclose(ends_session=False)
        if self._runtime is None:
            local = local or (self._options.local and not session_id)
            self._runtime = self._made(local, session_id or self._options.session_id)
        elif session_id and session_id != self._runtime.session.id:
            self._runtime.session.attach(session_id)
        return self._runtime

    @staticmethod
    def _moves(runtime: Runtime, arguments: Arguments) -> bool:
        """Whether a cell can't run in what is there: that is elsewhere, or has no key yet."""
        if runtime.local:
            return bool(arguments.session_id)
        return arguments.local or not (runtime.session.id or runtime.client.api_key)

    def _made(self, local: bool, session_id: str) -> Runtime:
        settings, problems = read(self._options.config)
        self._notes += problems
        runtime = Runtime(
            Configurable(config=merged(settings.layers)),
            local=local,
            session_id="" if local else session_id,
            settings=settings,
            journal=self._journal,
            execution=Execution(self._options.execution),
            listener=self._listen,
            names=self._names,
        )
        if not self._screen.updates_displays:
            runtime.session.show_progress = False
        return runtime

    async def _listen(self, message: Message) -> None:
        await self._emit(message)

    # -- what upkeep asks --------------------------------------------------------------------

    @property
    def runs_cell(self) -> bool:
        """Whether a cell runs."""
        return self._running is not None

    async def warn(self, text: str) -> None:
        """Have the user read something with the cell that runs."""
        await self._emit(stream("stderr", text))

    def show_with_next_cell(self, lines: Sequence[str]) -> None:
        """Have the user read something with the next cell."""
        self._notes += lines

    def keep_session(self) -> None:
        """Take no note of the session: no other process takes this one's place."""


def _failure(error: TCIError, cell: Cell, errors: list[Message], shown: ShownOutputs) -> Message:
    """Note what has ended a cell, and give the reply that says so."""
    message = error_of(error)
    errors.extend(shown.publishable(message))
    return reply(cell.number, message)
