"""The kernel: Jupyter requests in, Jupyter messages out. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import Interrupted, NoSession, TCIError
from tci_kernel.core.messages import Message, error_of, no_values, reply, stream
from tci_kernel.kernel.assistance import as_json
from tci_kernel.kernel.publishing import KEPT, is_unwanted
from tci_kernel.kernel.runtime_owner import RuntimeOwner
from tci_kernel.kernel.threads import on_main_thread
from tci_kernel.kernel.vscode import (
    BackgroundCall,
    background_call,
    background_reply,
    without_session,
)
from tci_kernel.notebook.payloads import permitted
from tci_kernel.notebook.upkeep import Upkeep
from tci_kernel.session.notice import ShownOutputs

# Seconds that a shutdown may take for letting go of what the kernel holds. Jupyter Server waits
# 2.5 s before it sends SIGTERM.
SHUTDOWN_LIMIT = 1.0

# The highest number of a cell that is taken from the session: lists of inputs, here and there, have
# as many entries.
HIGHEST_COUNT = 1_000_000


class TCIKernel(RuntimeOwner):
    """A Jupyter kernel that runs each cell at a TCI service, under one persistent session."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._count = 1
        self._upkeep = Upkeep(self)

    # -- what the base class asks ------------------------------------------------------------

    @property
    def execution_count(self) -> int:
        """The number of the running cell, or of the next one."""
        return self._count

    @execution_count.setter
    def execution_count(self, _value: int) -> None:
        # The base class counts hidden requests as well; `do_execute` counts the user's cells.
        pass

    @on_main_thread
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

        Only a cell that the user runs (`store_history`) advances the count. It may open a session
        that costs money, and so may a cell without history that can ask nobody: programs such as
        nbval run whole notebooks so. What an editor runs unseen is silent, or may ask.

        Returns:
            the content of the `execute_reply`.
        """
        hidden = silent or not store_history
        unasked = silent or (hidden and allow_stdin)
        expressions = user_expressions or {}
        if hidden and (call := background_call(code)) is not None:
            await self._answer(call)
        elif unasked and not self._takes_hidden_cells():
            if silent and code.strip():
                return await self._refuse()
            for message in without_session(code):
                await self.emit(message)
        elif code.strip() or (expressions and self._takes_hidden_cells()):
            published: list[Message] = []
            request = self.get_parent("shell")
            cell = Cell(
                code,
                self._count,
                hidden=hidden,
                silent=silent,
                user_expressions=expressions,
                frontend=self.frontend(published, takes_questions=allow_stdin, silent=silent),
                header=as_json(request["header"]),
                metadata=request.get("metadata") or {},
            )
            return await self._run(cell, published)
        values = no_values(expressions)
        return dict(reply(self._count - 1, user_expressions=values).content)

    async def _answer(self, call: BackgroundCall) -> None:
        """Answer VS Code's way of asking for a completion or an inspection."""
        method = self.do_complete if call.method == "complete" else self.do_inspect
        for message in background_reply(call.mime, await method(*call.arguments)):
            await self.emit(message)

    async def _refuse(self) -> dict[str, Any]:
        """Fail silent code for want of a session.

        What sends it is a program that relies on its having run. VS Code's hidden code is not
        silent, and takes an empty answer.
        """
        failure = error_of(NoSession())
        await self.emit(failure)
        return dict(reply(self._count - 1, failure).content)

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """Let go of connections, of the session and of the embedded server, in bounded time.

        Runs on the control thread; what is closed belongs to the main thread's event loop.
        """
        self.interrupt()
        if restart:
            self.keep_session(restarts=True)
        else:
            self._session_file.remove()
        closing = asyncio.run_coroutine_threadsafe(self._close(restart), self.loop)
        try:
            await asyncio.wait_for(asyncio.wrap_future(closing), SHUTDOWN_LIMIT)
        except TimeoutError:
            self.log.warning("Shutting down without waiting for the network")
        return {"status": "ok", "restart": restart}

    @property
    def runs_cell(self) -> bool:
        """Whether a cell runs."""
        return self.running is not None

    async def warn(self, text: str) -> None:
        """Have the user read something with the cell that runs."""
        await self.emit(replace(stream("stderr", text), parent=self.running_parent["header"]))

    # -- running a cell ----------------------------------------------------------------------

    async def _run(self, cell: Cell, published: list[Message]) -> dict[str, Any]:
        """Run a cell as a task of its own, which an interrupt may cancel; gives its reply.

        `published` gathers what the reply and the history take of its messages.

        Whatever happens ends here, in a failure that is published: an exception that escaped
        would leave the request without a reply.
        """
        entry = self._journal.begin(cell)
        running = asyncio.create_task(self._publish(cell, published, entry.shown))
        is_main = not (cell.header or {}).get("subshell_id")
        if is_main:
            self.running, self.running_parent = running, self.get_parent("shell")
        try:
            await running
        except asyncio.CancelledError:
            if _is_cancelled():
                raise  # no interrupt of the cell: the event loop itself is ending
            published.append(await self._fail(Interrupted(""), cell, entry.shown))
        except TCIError as error:
            published.append(await self._fail(error, cell, entry.shown))
        except Exception as error:  # the one boundary where a reply must go out
            self.log.exception("A cell failed in the kernel itself")
            published.append(await self._fail(error, cell, entry.shown))
        finally:
            if is_main:
                self.running = None
        session = self.session_in_use
        session_id = None if session is None else session.id
        self._journal.end(entry, published[-1].content, session_id)
        return self._conclude(cell, published)

    def _conclude(self, cell: Cell, published: Sequence[Message]) -> dict[str, Any]:
        """Note that a cell has ended, and give the content of its reply."""
        content = dict(published[-1].content)
        content["payload"] = permitted(content.get("payload"), hidden=cell.hidden)
        if cell.hidden:
            return {**content, "execution_count": self._count - 1}
        results = [m.content["data"] for m in published if m.type == "execute_result"]
        self.remember(cell, str(results[-1].get("text/plain", "")) if results else None)
        content["execution_count"] = _number(content.get("execution_count"), cell)
        self._count = content["execution_count"] + 1
        self.keep_session()
        if self._runtime is not None:
            self._upkeep.watch(self._runtime.session)
        return content

    async def _fail(self, error: BaseException, cell: Cell, shown: ShownOutputs) -> Message:
        """Publish what went wrong, and give the reply that says so."""
        failure = error_of(error)
        for message in shown.publishable(failure):
            await self.emit(message)
        return reply(cell.number, failure)

    async def _publish(self, cell: Cell, published: list[Message], shown: ShownOutputs) -> None:
        """Publish the messages of a cell."""
        from tci_kernel.notebook.dispatch import run  # noqa: PLC0415 - a start does without

        runtime = self._open_runtime()
        await self._upkeep.wait()
        if not cell.hidden and self._notes:
            notes, self._notes = self._notes, ()
            await self.emit(stream("stderr", "".join(f"{line}\n" for line in notes)))
        async with aclosing(run(cell, runtime, self._sync)) as messages:
            async for message in messages:
                if message.parent is not None:  # what another cell prints meanwhile
                    await self.emit(message)
                    continue
                if message.type in KEPT:
                    published.append(message)
                if message.type == "execute_reply" or is_unwanted(message, silent=cell.silent):
                    continue
                for each in shown.publishable(message):
                    await self.emit(each)

    async def _close(self, restart: bool) -> None:
        self.cancel()
        await self._upkeep.aclose()
        self.close_history()
        await self._close_runtime(ends_session=not restart)


def _number(given: object, cell: Cell) -> int:
    """The number of a cell, as the session has given it, or else as it was asked for."""
    return given if isinstance(given, int) and 0 <= given <= HIGHEST_COUNT else cell.number


def _is_cancelled() -> bool:
    """Whether the calling task itself, and not one that it awaits, was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
