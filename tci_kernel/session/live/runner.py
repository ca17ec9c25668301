"""The live way of running cells: a real interpreter in the session, whose messages come at once."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.client.failures import failure
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import Interrupted, TCIError
from tci_kernel.core.messages import Message, stream
from tci_kernel.session.live import usage
from tci_kernel.session.live.connection import TELL_ALIVE, Connection, Listener
from tci_kernel.session.live.link import Link
from tci_kernel.session.live.outgoing import GOING_ON, STOPPING
from tci_kernel.session.live.pending import (
    Pending,
    Trouble,
    companion,
    execute_request,
    new_header,
)
from tci_kernel.session.live.questions import Questions
from tci_kernel.session.notice import Notice, noticed
from tci_kernel.session.runner import QUESTION_LIMIT, RunnerOptions
from tci_kernel.session.state import SessionState

# Seconds after an interrupt in which code should have stopped.
STOP_LIMIT = 10.0

# Requests that are not to wait for the running cell.
BESIDE = frozenset({"comm_info_request", "complete_request", "inspect_request"})

_NOT_STOPPED = (
    f"The code has not stopped in {STOP_LIMIT:g} s. Interrupt it again. On the kernels tci and\n"
    "tci-local a restart stops it too: the session and its files stay.\n"
)


class LiveRunner:
    """Runs cells in an interpreter of the relay's. See `Runner`.

    Args:
        client: how the service is reached.
        state: the session; the first cell may begin it.
        options: what the user has set.
        listener: publishes what comes while no cell runs.
    """

    def __init__(
        self, client: TCIClient, state: SessionState, options: RunnerOptions, listener: Listener
    ) -> None:
        self._client = client
        self._state = state
        self._options = options
        self._listener = listener
        self._made: Connection | None = None
        self._questions = Questions(self._answer)
        self._preparing: asyncio.Task[Any] | None = None
        self._is_interrupted = False
        self._stop_at: float | None = None

    # -- what the seam asks ------------------------------------------------------------------

    async def run(self, cell: Cell) -> AsyncGenerator[Message]:
        """Run a cell, and yield its messages as they come. See `Runner.run`.

        Raises:
            LiveUnavailable: it can't be run so, and has not.
        """
        async with aclosing(self._prepare_for(cell)) as notices:
            async for shown in notices:
                yield shown
        self._questions.forget()
        connection = self._connection()
        if not cell.hidden and cell.number > connection.link.count:
            self._set_number(cell.number)
        request = execute_request(cell, "" if cell.frontend is None else TELL_ALIVE)
        subshell = str(request["header"].pop("subshell_id", None) or "")
        if subshell and (subshell_id := await connection.subshells.id_of(subshell)):
            request["header"]["subshell_id"] = subshell_id
        pending = Pending(
            str(request["header"]["msg_id"]),
            cell=cell,
            collects=cell.hidden and cell.frontend is None,
            is_beside=bool(subshell),
        )
        connection.begin(pending, "shell", request)
        async with aclosing(self._messages(connection, pending)) as messages:
            async for message in messages:
                if message.type == "execute_reply" and not cell.hidden:
                    self._state.note(cell, succeeded=message.content.get("status") == "ok")
                yield message

    async def join(self, cell: Cell) -> AsyncGenerator[Message]:
        """Yield what runs in a session that was joined, as if it came of a cell of ours."""
        was_ready = self._connection().link.is_ready
        async with aclosing(self._prepare_for(cell)) as notices:
            async for shown in notices:
                yield shown
        connection = self._connection()
        if was_ready:
            connection.link.join()
        pending = Pending(uuid.uuid4().hex, cell=cell, joins=True)
        connection.await_end(pending)
        async with aclosing(self._messages(connection, pending)) as messages:
            async for message in messages:
                if message.type != "execute_reply":
                    yield message

    async def facts(self) -> Sequence[tuple[str, str]]:
        """The interpreter's versions, what it uses, and what lives on in it."""
        connection = self._connection()
        if not connection.link.is_ready:
            return ()
        with suppress(TimeoutError):
            async with asyncio.timeout(QUESTION_LIMIT):
                return usage.facts(connection.link.info, await connection.ask(usage.question()))
        return [("Interpreter", "busy")]

    @property
    def is_restartable(self) -> bool:
        """Whether the interpreter can begin anew in the same session."""
        return self._made is not None and self._made.link.is_ready

    async def prepare(self) -> None:
        """Send the relay if the session begins, or look for it if it is joined."""
        async with aclosing(self._preparation()) as troubles:
            async for _trouble in troubles:
                pass

    async def _preparation(self) -> AsyncGenerator[str]:
        """As `prepare`; yields why that takes long."""
        link = self._connection().link
        try:
            async with aclosing(link.install()) as troubles:
                async for trouble in troubles:
                    yield trouble
        finally:
            self._state.adopt(link.session_id)

    async def request(self, request: Message) -> Message | None:
        """Ask the interpreter. See `Runner.request`."""
        return await self._questions.ask(request)

    def interrupt(self) -> bool:
        """Have the running cell interrupted; the waiting for it ends if it can't be reached."""
        if self._preparing is not None:
            self._is_interrupted = True
            self._preparing.cancel()
            return True
        connection = self._made
        if connection is None or connection.foreground is None:
            return False
        if connection.link.is_failing:
            fate = connection.link.withdraw(connection.foreground.number)
            if fate == GOING_ON:
                fate = STOPPING
                connection.link.send("interrupt")
            connection.foreground.arrived.put_nowait(Interrupted("stopped waiting.", fate=fate))
            return True
        connection.link.send("interrupt")
        self._stop_at = asyncio.get_running_loop().time() + STOP_LIMIT
        return True

    @property
    def origin(self) -> str | None:
        """Not asked for: the interpreter knows it by itself."""
        return None

    async def aclose(self) -> None:
        """Stop listening. The interpreter lives on."""
        self._questions.close()
        if self._made is not None:
            self._made.close()

    # -- a cell's way there and back ---------------------------------------------------------

    def _connection(self) -> Connection:
        """The connection to the present session's interpreter."""
        made = self._made
        if made is None or made.is_lost or made.link.session_id != self._state.id:
            if made is not None:
                made.close()
            link = Link(
                self._client,
                self._state.id,
                self._options,
                joins=self._state.is_joined,
                restarts=self._state.is_restarted,
            )
            made = self._made = Connection(link, self._listener)
        return made

    async def _prepare_for(self, cell: Cell) -> AsyncGenerator[Message]:
        """Install what the cell needs, with notices while that fails. An interrupt ends it."""
        self._is_interrupted = False
        if not cell.hidden:
            self._preparing = asyncio.current_task()
        shows = cell.interactive and not cell.hidden and self._options.show_progress
        preparation = noticed(self._preparation(), Notice(enabled=shows))
        try:
            async with aclosing(preparation) as messages:
                async for message in messages:
                    yield message
        except asyncio.CancelledError:
            if self._is_interrupted:
                raise Interrupted("stopped.", fate="The code did not run.") from None
            raise
        finally:
            self._preparing = None

    def _set_number(self, number: int) -> None:
        """Have the interpreter give its next cell a number."""
        code = companion(f"set_number({number})")
        request = execute_request(Cell(code, hidden=True, silent=True), "")
        self._connection().link.send("shell", request)

    async def _messages(self, connection: Connection, pending: Pending) -> AsyncGenerator[Message]:
        """What comes of a cell, its reply last, with notices while nothing can come."""
        cell, timeout = pending.cell, self._options.cell_timeout
        deadline = math.inf if timeout is None else asyncio.get_running_loop().time() + timeout
        is_shown = cell is not None and cell.interactive and not pending.collects
        notice = Notice(enabled=is_shown and self._options.show_progress)
        if not pending.collects and not pending.is_beside:
            connection.foreground, self._stop_at = pending, None
        question: asyncio.Task[None] | None = None
        try:
            message: Message | None = None
            while message is None or message.type != "execute_reply":
                item = await self._next(pending, deadline)
                text = item.text if isinstance(item, Trouble) else ""
                for shown in notice.show(text) if text else notice.wipe():
                    yield shown
                if isinstance(item, Exception):
                    raise item
                message = item if isinstance(item, Message) else None
                if message is not None and message.type == "input_request":
                    _give_up(question)  # it was interrupted: the cell waits for no answer to it
                    question = asyncio.create_task(_put_question(connection, cell, message))
                elif message is not None:
                    yield message
        finally:
            _give_up(question)
            await connection.end(pending)

    async def _next(self, pending: Pending, deadline: float) -> Message | Trouble | Exception:
        """What comes next of a cell; a word to the user if it does not stop.

        Args:
            pending: the cell's request.
            deadline: the loop's time until which it may run.
        """
        loop = asyncio.get_running_loop()
        while True:
            stop_at = self._stop_at if pending is self._foreground else None
            # An interrupt may come meanwhile.
            limit = min(stop_at or math.inf, deadline, loop.time() + STOP_LIMIT)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(limit):
                    item = await pending.arrived.get()
                is_cut_off = isinstance(item, Message) and item.type == "status"
                return Interrupted("") if is_cut_off else item  # it has ended without a reply
            if loop.time() >= deadline:
                self._connection().link.send("interrupt")
                return overdue(self._options.cell_timeout or 0)
            if stop_at is not None and loop.time() >= stop_at:
                self._stop_at = None
                return stream("stderr", _NOT_STOPPED)

    @property
    def _foreground(self) -> Pending | None:
        return None if self._made is None else self._made.foreground

    async def _answer(self, request: Message) -> Message | None:
        """The reply to a request; None where there is none, or nobody to ask."""
        connection = self._connection()
        if not connection.link.is_ready:
            return None
        subshell = str((request.parent or {}).get("subshell_id") or "")
        if request.type == "delete_subshell_request":
            await connection.subshells.delete(str(request.content.get("subshell_id")))
            return None
        if request.type in BESIDE and connection.foreground is not None:
            subshell = subshell or request.type
        subshell_id = await connection.subshells.id_of(subshell) if subshell else None
        if subshell_id is None and request.type in BESIDE and connection.foreground is not None:
            return None
        return await connection.ask(request, subshell_id)


def overdue(limit: float) -> TCIError:
    """What a cell is told that took longer than it may, in seconds."""
    error = failure("cell timeout", f"The code took longer than {limit:g} s.")
    error.fate = "It was interrupted."
    return error


def _give_up(question: asyncio.Task[None] | None) -> None:
    """Have the user asked no more, where they are."""
    if question is not None:
        question.cancel()


async def _put_question(connection: Connection, cell: Cell | None, question: Message) -> None:
    """Have the user answer what a cell asks; what it prints meanwhile goes on coming."""
    if cell is not None and cell.frontend is not None:
        prompt, hidden = str(question.content.get("prompt", "")), question.content.get("password")
        value = await cell.frontend.ask(prompt, hidden=bool(hidden))
        content = {"value": value, "status": "ok"}
        connection.link.send("stdin", {"header": new_header("input_reply"), "content": content})
