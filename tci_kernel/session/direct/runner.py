"""The direct way of running cells: a cell's code is the request, its outputs are the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.client.failures import failure
from tci_kernel.client.schema import ExecuteResponse
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import Interrupted
from tci_kernel.core.messages import Message, no_debugger, no_values
from tci_kernel.session.direct.answers import Answer, read
from tci_kernel.session.direct.helper import Helper, hidden, part
from tci_kernel.session.direct.sending import Sending
from tci_kernel.session.notice import Notice, noticed
from tci_kernel.session.runner import INSPECTION_LIMIT, QUESTION_LIMIT, RunnerOptions
from tci_kernel.session.state import SessionState

# The questions that the helper answers: its method, the seconds that it has, and the fields of its
# reply with their types.
_QUESTIONS: Mapping[str, tuple[str, float, Mapping[str, type]]] = {
    "complete_request": ("complete", QUESTION_LIMIT, {"matches": list}),
    "inspect_request": ("inspect", INSPECTION_LIMIT, {"data": dict, "found": bool}),
}

_NO_DEBUGGER = "Cells are run directly in this session, where there is no debugger."

# How our server names the end of an interpreter, in an error of the cell that it died in.
_DIED = "InterpreterDied"


class DirectRunner:
    """Runs cells by the bare contract of the service. See `Runner`.

    Args:
        client: how the service is reached.
        state: the session; the first cell may begin it.
        options: what the user has set.
        stops_code: whether the service stops code whose caller hangs up.
    """

    def __init__(
        self, client: TCIClient, state: SessionState, options: RunnerOptions, *, stops_code: bool
    ) -> None:
        self._client = client
        self._state = state
        self._options = options
        self._stops_code = stops_code
        self._installed = Helper(client, None)
        self._running: asyncio.Task[Any] | None = None
        self._is_interrupted = False

    async def run(self, cell: Cell) -> AsyncGenerator[Message]:
        """Run a cell in one request. See `Runner.run`."""
        this = asyncio.current_task()
        if cell.frontend is not None or not cell.hidden:  # a program of ours is nobody's cell
            self._running, self._is_interrupted = this, False
        sending = self._sending(cell)
        try:
            await self.prepare()
            await self._agree_on_number(cell)
            if cell.code.strip():
                async with aclosing(self._progress(cell, sending)) as messages:
                    async for message in messages:
                        yield message
            answer = self._read(cell, sending.answer)
            for message in answer.messages:
                yield message
            await self._look_after(answer)
            yield answer.reply(await self._values(cell, answer))
        except asyncio.CancelledError:
            if self._is_interrupted and self._running is this:
                raise self._interrupted(sending) from None
            raise
        finally:
            if self._running is this:
                self._running = None

    async def join(self, cell: Cell) -> AsyncGenerator[Message]:  # noqa: ARG002 - see `Runner`
        """Nothing: nobody can tell what runs there."""
        nothing: tuple[Message, ...] = ()
        for message in nothing:
            yield message

    @property
    def is_restartable(self) -> bool:
        """No: its interpreter ends with the session."""
        return False

    async def facts(self) -> Sequence[tuple[str, str]]:
        """Nothing: the service tells nothing of its interpreter."""
        return ()

    async def prepare(self) -> None:
        """Install the helper if the session begins or is joined."""
        if self._options.use_helper:
            helper = self._helper()
            await helper.install()
            self._state.adopt(helper.session_id)

    async def request(self, request: Message) -> Message | None:
        """Ask the helper, where no cell runs. See `Runner.request`."""
        if request.type == "debug_request":
            return Message("debug_reply", no_debugger(request.content, _NO_DEBUGGER))
        if request.type == "comm_info_request":
            return Message("comm_info_reply", {"status": "ok", "comms": {}})
        if request.type not in _QUESTIONS or self._running or not self._helper().is_installed:
            return None
        method, limit, fields = _QUESTIONS[request.type]
        content = await self._helper().ask(method, limit, **request.content)
        if not isinstance(content, dict):
            return None
        if not all(isinstance(content.get(name), kind) for name, kind in fields.items()):
            return None
        reply = request.type.replace("_request", "_reply")
        return Message(reply, {"status": "ok", "metadata": {}, **content})

    def interrupt(self) -> bool:
        """Drop the request: the API has no other way. See `Runner.interrupt`."""
        if self._running is None:
            return False
        if not self._is_interrupted:  # a second one must not break the clean-up
            self._is_interrupted = True
            self._running.cancel()
        return True

    @property
    def origin(self) -> str | None:
        """The directory in which the session began, where its interpreter could say so."""
        return self._helper().origin

    async def aclose(self) -> None:
        """Drop a question that is not answered yet. See `Runner.aclose`."""
        self._installed.close()

    # -- a cell's way there and back ---------------------------------------------------------

    def _helper(self) -> Helper:
        """The way to the session's helper."""
        if self._installed.session_id != self._state.id:
            self._installed.close()
            self._installed = Helper(self._client, self._state.id)
        return self._installed

    async def _agree_on_number(self, cell: Cell) -> None:
        """Give the session's next cell the number that it has in the notebook."""
        helper = self._helper()
        helper.forget_answer()
        if helper.is_installed and not cell.hidden and cell.number != helper.number:
            await helper.call("set_count", count=cell.number)

    def _sending(self, cell: Cell) -> Sending:
        return Sending(
            lambda: self._client.execute(self._code(cell), self._state.id, cell.files),
            retry_for=self._options.retry_for,
            cell_timeout=self._options.cell_timeout,
        )

    def _code(self, cell: Cell) -> str:
        if not self._helper().is_installed:
            return cell.code
        if cell.hidden:
            return hidden(cell.code)
        return part(cell.code) if cell.is_part else cell.code

    def _progress(self, cell: Cell, sending: Sending) -> AsyncGenerator[Message]:
        """The notices of a request on its way."""
        shows = cell.interactive and not cell.hidden and self._options.show_progress
        return noticed(sending.progress(), Notice(enabled=shows))

    def _read(self, cell: Cell, answer: ExecuteResponse | None) -> Answer:
        """What an answer says; the session is what it names."""
        if answer is None:
            return Answer(cell.number)
        helper = self._helper()
        doubt = self._state.adopt(answer.session_id)
        if self._state.id is None:
            text = "The service named no session: what runs next begins a new one."
            found = read(answer, cell.number, failure("body", text))
        else:
            found = read(answer, cell.number, doubt)
        if found.is_whole:
            helper.number = found.number + 1
        if not cell.hidden:
            self._state.note(cell, succeeded=found.failure is None)
        return found

    async def _values(self, cell: Cell, answer: Answer) -> Mapping[str, Any]:
        """The values of a cell's `user_expressions`, or an error for each."""
        if not cell.user_expressions or answer.failure is not None:
            return {}
        helper = self._helper()
        if helper.is_installed:
            values = await helper.call("user_expressions", expressions=dict(cell.user_expressions))
            if isinstance(values, dict):
                return values
        return no_values(cell.user_expressions)

    async def _look_after(self, answer: Answer) -> None:
        """If the interpreter may have died, see whether the session has ended with it.

        The cell itself tells of the death; the next one begins a new session, or installs the
        helper in the interpreter that follows.
        """
        if answer.failure is None:
            return
        is_cut_off = bool(self._helper().is_installed) and not answer.is_whole
        is_dead = answer.failure.content["ename"] == _DIED
        if not (is_cut_off or is_dead):
            return
        try:
            if await self._state.is_gone():
                self._state.begin(None)
            elif is_dead:
                self._installed.close()  # another interpreter has no helper yet
                self._installed = Helper(self._client, self._state.id)
        except asyncio.CancelledError:
            if not self._is_interrupted or self._running is not asyncio.current_task():
                raise  # else nothing is left to stop: the cell has told of its failure

    def _interrupted(self, sending: Sending) -> Interrupted:
        """What the user reads of a cell that was stopped."""
        if self._stops_code:
            return Interrupted("")
        if not sending.is_out:
            return Interrupted("stopped.", fate="The code did not run.")
        error = Interrupted(
            "stopped waiting.",
            fate="The service has no way to stop code: it may still be running there, and the next "
            "cell may have to wait for it.",
        )
        error.may_have_run = True
        return error
