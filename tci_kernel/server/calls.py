"""Code that is the content of a request, whose outputs are the answer: one piece after another."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import Any, Protocol

from tci_kernel.client.schema import Output
from tci_kernel.remote.frames import Frames
from tci_kernel.server.channels import UNREADABLE, Channels
from tci_kernel.server.collector import OutputCollector
from tci_kernel.server.execution import Execution

# Seconds between the signals to code that is to stop and does not.
INTERRUPT_INTERVAL = 1.0

# Seconds that code has to stop whose caller has hung up; then its interpreter is killed.
STOP_TIMEOUT = 60.0

# Seconds between looks at the process while code runs: its end raises no event.
POLL_INTERVAL = 0.1

# Seconds for the end of a process that its code has told to exit; it may have more to do.
EXIT_TIMEOUT = 5.0

# Seconds for the reply to code that has ended. There is none if it can't be put in JSON.
REPLY_TIMEOUT = 1.0

# Seconds between looks for the end of code whose reply has come first.
LOSS_INTERVAL = 1.0


class Process(Protocol):
    """The interpreter's process, as calls see it."""

    @property
    def channels(self) -> Channels:
        """The channels to it."""

    async def is_alive(self) -> bool:
        """Whether it runs."""

    async def signal(self, number: int) -> None:
        """Send it a signal."""

    @property
    def is_shared(self) -> bool:
        """Whether others run code in it now, or have sent some."""

    def end_error(self) -> str:
        """What code is told in which it has ended."""


class Calls:
    """Runs code in an interpreter, beside what others run there.

    Args:
        process: the interpreter's.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._execution: Execution | None = None
        self._running = 0
        self._interruption: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no code runs here."""
        return self._running == 0 and self._interruption is None

    async def wait_until_idle(self) -> None:
        """Wait until the code of a cancelled call has stopped."""
        if self._interruption is not None:
            await asyncio.wait({self._interruption})

    async def execute(self, code: str) -> list[Output]:
        """Run code and give its outputs. One call at a time, after `wait_until_idle`.

        If the call is cancelled, the code is interrupted. If the process dies, the outputs end in
        an error that says so.
        """
        client = self._process.channels.client
        return await self._run(client.execute(code, allow_stdin=False, stop_on_error=False))

    async def run_quietly(self, code: str) -> str:
        """Run code as an expression, which leaves nothing behind; gives what it prints."""
        outputs = await self._run(self._ask(code))
        return "".join(str(output.data) for output in outputs if output.type == "stdout")

    async def value(self, expression: str) -> str:
        """The value of an expression, as it is written; empty where it has none."""
        await self._run(self._ask(expression))
        assert self._execution is not None  # noqa: S101 - it has just been made
        with suppress(*UNREADABLE):
            return str(self._execution.values["value"]["data"]["text/plain"])
        return ""

    def _ask(self, expression: str) -> str:
        expressions = {"value": expression}
        client = self._process.channels.client
        return str(client.execute("", silent=True, allow_stdin=False, user_expressions=expressions))

    def take(self, channel: str, message: Frames | None) -> None:
        """Take any message of the interpreter; None is one that can't be read."""
        if self._execution is not None:
            self._execution.take(channel, message)

    def outputs_so_far(self) -> list[Output]:
        """What the code that ran last, or runs still, has produced."""
        return self._execution.collector.outputs() if self._execution else []

    async def _run(self, msg_id: str) -> list[Output]:
        """The outputs of a request to run code, which has been sent."""
        execution = self._execution = Execution(msg_id)
        self._running += 1
        try:
            is_complete = await self._wait_until_complete(execution)
            if execution.exits:
                await self._wait_until_exit()
            if execution.exits or not is_complete:
                execution.collector.add_text("error", self._process.end_error())
        except asyncio.CancelledError:
            execution.collector = OutputCollector(kept=0)  # nobody asks for what it prints now
            self._interruption = asyncio.create_task(self._interrupt(execution))
            raise
        finally:
            self._running -= 1
        return execution.collector.outputs()

    async def _wait_until_complete(self, execution: Execution) -> bool:
        """Wait until code ends; false if the process ends before it."""
        task = asyncio.create_task(self._complete(execution))
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=POLL_INTERVAL)
                if not task.done() and not await self._process.is_alive():
                    break
            return task.done() and not task.cancelled() and task.exception() is None
        finally:
            task.cancel()

    async def _wait_until_exit(self) -> None:
        """Wait for the end of a process that was told to exit, and do not wait for ever."""
        kill_time = time.monotonic() + EXIT_TIMEOUT
        while await self._process.is_alive():
            if time.monotonic() > kill_time:
                await self._process.signal(signal.SIGKILL)
            await asyncio.sleep(POLL_INTERVAL)

    async def _complete(self, execution: Execution) -> None:
        """Wait until the interpreter is idle and has replied."""
        ends = [asyncio.create_task(end.wait()) for end in (execution.idle, execution.replied)]
        idle, replied = ends
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            while not idle.done():
                await self._look_for_loss(execution, idle)
            await asyncio.wait({replied}, timeout=REPLY_TIMEOUT)
            execution.conclude()
        finally:
            for end in ends:
                end.cancel()

    async def _look_for_loss(self, execution: Execution, idle: asyncio.Task[Any]) -> None:
        """Find out whether the end of code that has been replied to was lost, or is on its way.

        ZeroMQ ends a connection that brings too large a message, with all that follows. What is
        published comes in order: what belongs to a later request shows that nothing will come.
        """
        received = execution.received
        await asyncio.wait({idle}, timeout=LOSS_INTERVAL)
        if idle.done() or execution.received > received:
            return
        channels = self._process.channels
        if not execution.later_requests:
            execution.later_requests.add(channels.client.kernel_info())
            return
        execution.later_requests.clear()  # what they would have brought is lost as well
        channels.reconnect_output()

    async def _interrupt(self, execution: Execution) -> None:
        """Interrupt code until it ends: it may catch the first signal itself.

        What no signal reaches for long, such as a process that was stopped, is killed. What others
        run before it is none of its affair.
        """
        completion = asyncio.create_task(self._wait_until_complete(execution))
        begun = asyncio.create_task(execution.begun.wait())
        kill_time = time.monotonic() + STOP_TIMEOUT
        while not completion.done() and await self._process.is_alive():
            if not begun.done() and self._process.is_shared:
                kill_time = time.monotonic() + STOP_TIMEOUT
            if time.monotonic() > kill_time:  # begun or not: a process may stop before it says so
                await self._process.signal(signal.SIGKILL)
            if begun.done():
                await self._process.signal(signal.SIGINT)
            ends = {completion} if begun.done() else {completion, begun}
            await asyncio.wait(
                ends, timeout=INTERRUPT_INTERVAL, return_when=asyncio.FIRST_COMPLETED
            )
        begun.cancel()
        await completion
        self._interruption = None
