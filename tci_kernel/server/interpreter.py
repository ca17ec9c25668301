"""One interpreter: the process of a real Jupyter kernel, driven over its own protocol."""

from __future__ import annotations

import ast
import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import zmq.asyncio
from jupyter_client.kernelspec import NoSuchKernel

from tci_kernel.client.schema import Output
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server import janitor_process
from tci_kernel.server.channels import UNREADABLE, Message, connect, receive
from tci_kernel.server.collector import OutputCollector
from tci_kernel.server.execution import Execution
from tci_kernel.server.janitor import Janitor
from tci_kernel.server.places.base import Place

# Seconds between the signals to code that is to stop and does not.
INTERRUPT_INTERVAL = 1.0

# Seconds that code has to stop whose caller has hung up; then its interpreter is killed.
STOP_TIMEOUT = 60.0

# Seconds between looks at the process while code runs: its end raises no event.
POLL_INTERVAL = 0.1

# Seconds for the last output of an interpreter that died, which is in the sockets still.
LAST_OUTPUT_TIMEOUT = 0.1

# Seconds for the end of a process that its code has told to exit; it may have more to do.
EXIT_TIMEOUT = 5.0

# Seconds for the reply to code that has ended. There is none if it can't be put in JSON.
REPLY_TIMEOUT = 1.0

# Seconds between looks for the end of code whose reply has come first.
LOSS_INTERVAL = 1.0

# Asks where packages are installed. Kernels of other languages answer with an error.
_SITE = "__import__('site')"
_PACKAGES_EXPRESSION = {"value": f"[*{_SITE}.getsitepackages(), {_SITE}.getusersitepackages()]"}

# Makes the process a subreaper: prctl(2), PR_SET_CHILD_SUBREAPER.
_SUBREAPER_EXPRESSION = "__import__('ctypes').CDLL(None).prctl(36, 1, 0, 0, 0)"


class Interpreter:
    """A process that runs one piece of code after another.

    Args:
        place: where it runs.
        context: the ZeroMQ context that all interpreters of a server share.
        janitor: told of the process, which must not outlive the server.

    Attributes:
        session_id: of the session that it is for.
    """

    def __init__(self, place: Place, context: zmq.asyncio.Context, janitor: Janitor) -> None:
        self.session_id = place.session_id
        self._place = place
        self._context = context
        self._janitor = janitor
        self._pid: int | None = None
        self._manager = place.make_manager(context)
        self._execution: Execution | None = None
        self._interruption: asyncio.Task[None] | None = None
        self._output_reader: asyncio.Task[None] | None = None
        self._close_error: str | None = None

    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            RequestRejected: it did not start; the text says what it printed.
        """
        try:
            with self._place.opened() as options, self._janitor.starting():
                await self._manager.start_kernel(**options)
                self._register_process()
            self._client = await connect(self._manager, self._context)
        except (RuntimeError, OSError, ValueError, NoSuchKernel, zmq.ZMQError) as error:
            raise RequestRejected(
                f"The interpreter did not start: {error}\n{self._place.log()}".strip(),
                status=500,
                code="interpreter_failed",
            ) from error
        self._adopt_orphans()
        self._output_reader = asyncio.create_task(self._read_outputs())

    def _adopt_orphans(self) -> None:
        """Have it be the parent of what its code starts and leaves, for all that to end with it.

        Nobody waits for it: what is asked next comes after it.
        """
        if sys.platform == "linux" and not self._place.is_contained:
            expression = {"value": _SUBREAPER_EXPRESSION}
            self._client.execute("", silent=True, allow_stdin=False, user_expressions=expression)

    async def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._close_error is None and await self._manager.is_alive()

    async def package_directories(self) -> list[Path]:
        """Where packages for it are installed; nowhere if it can't be asked."""
        with suppress(TimeoutError, LookupError, TypeError, ValueError, SyntaxError):
            reply = await self._client.execute(
                "",
                silent=True,
                user_expressions=_PACKAGES_EXPRESSION,
                reply=True,
                timeout=REPLY_TIMEOUT,
            )
            directories = reply["content"]["user_expressions"]["value"]["data"]["text/plain"]
            return [Path(directory) for directory in ast.literal_eval(directories)]
        return []

    async def write(self, files: Sequence[tuple[PurePosixPath, bytes]]) -> None:
        """Write files into the working directory, while no code runs: all of them or none.

        Args:
            files: see `files.decode`.

        Raises:
            RequestRejected: one of them can't be written; says which and why.
        """
        await self._place.write(files, self._run_quietly)

    async def wait_until_idle(self) -> None:
        """Wait until the code of a cancelled call has stopped."""
        if self._interruption is not None:
            await asyncio.wait({self._interruption})

    async def execute(self, code: str) -> list[Output]:
        """Run code and give its outputs. One call at a time, after `wait_until_idle`.

        If the call is cancelled, the code is interrupted. If the process dies, the outputs end in
        an error that says so.
        """
        return await self._run(self._client.execute(code, allow_stdin=False, stop_on_error=False))

    async def _run_quietly(self, code: str) -> str:
        """Run code as an expression, which leaves nothing behind; gives what it prints."""
        outputs = await self._run(
            self._client.execute(
                "", silent=True, allow_stdin=False, user_expressions={"value": code}
            )
        )
        return "".join(str(output.data) for output in outputs if output.type == "stdout")

    async def _run(self, msg_id: str) -> list[Output]:
        """The outputs of a request to run code, which has been sent."""
        reply = asyncio.create_task(self._receive_reply(msg_id))
        execution = self._execution = Execution(msg_id, reply)
        try:
            is_complete = await self._wait_until_complete(execution)
            if execution.exits:
                await self._wait_until_exit()
            if execution.exits or not is_complete:
                execution.collector.add_text("error", await self._end_error())
        except asyncio.CancelledError:
            execution.collector = OutputCollector(kept=0)  # nobody asks for what it prints now
            self._interruption = asyncio.create_task(self._interrupt(execution))
            raise
        reply.cancel()  # there may have been none
        return execution.collector.outputs()

    async def close(self, error: str) -> None:
        """Kill the process and remove its files.

        Args:
            error: what a running call is told.
        """
        self._close_error = error
        if self._output_reader is not None:
            self._output_reader.cancel()
            self._client.stop_channels()
        if self._pid is not None and await self._manager.is_alive():
            await asyncio.to_thread(janitor_process.kill, {self._pid})
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        if self._pid is not None:
            self._janitor.unregister(self._pid)
            self._pid = None
        await self._janitor.kill_orphans()
        await asyncio.to_thread(self._place.close)

    async def _wait_until_complete(self, execution: Execution) -> bool:
        """Wait until code ends; false if the process ends before it."""
        task = asyncio.create_task(self._complete(execution))
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=POLL_INTERVAL)
                if not task.done() and not await self.is_alive():
                    await asyncio.wait({task}, timeout=LAST_OUTPUT_TIMEOUT)
                    break
            return task.done() and not task.cancelled() and task.exception() is None
        finally:
            task.cancel()

    async def _wait_until_exit(self) -> None:
        """Wait for the end of a process that was told to exit, and do not wait for ever."""
        kill_time = time.monotonic() + EXIT_TIMEOUT
        while await self.is_alive():
            if time.monotonic() > kill_time:
                await self._manager.signal_kernel(signal.SIGKILL)
            await asyncio.sleep(POLL_INTERVAL)

    async def _complete(self, execution: Execution) -> None:
        """Wait until the interpreter is idle, and take the reply off the shell channel."""
        reply, idle = execution.reply, asyncio.create_task(execution.idle.wait())
        try:
            waited: set[asyncio.Task[Any]] = {reply, idle}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if reply.done():
                reply.result()  # raises what ends the channel
            while not idle.done():
                await self._look_for_loss(execution, idle)
            await asyncio.wait({reply}, timeout=REPLY_TIMEOUT)
            if reply.done():
                execution.handle_reply(reply.result())
        finally:
            idle.cancel()

    async def _look_for_loss(self, execution: Execution, idle: asyncio.Task[bool]) -> None:
        """Find out whether the end of code that has been replied to was lost, or is on its way.

        ZeroMQ ends a connection that brings too large a message, with all that follows. What is
        published comes in order: what belongs to a later request shows that nothing will come.
        """
        received = execution.received
        await asyncio.wait({idle}, timeout=LOSS_INTERVAL)
        if idle.done() or execution.received > received:
            return
        if not execution.later_requests:
            execution.later_requests.add(self._client.kernel_info())
            return
        execution.later_requests.clear()  # what they would have brought is lost as well
        socket = self._client.iopub_channel.socket
        endpoint = socket.get(zmq.LAST_ENDPOINT)
        with suppress(zmq.ZMQError):  # it knows that there is no connection
            socket.disconnect(endpoint)
        socket.connect(endpoint)

    async def _receive_reply(self, msg_id: str) -> Message:
        while True:
            with suppress(*UNREADABLE):  # code can write to the sockets itself
                reply = await receive(self._client.shell_channel)
                if reply.parent_id == msg_id:
                    return reply

    async def _interrupt(self, execution: Execution) -> None:
        """Interrupt code until it ends: it may catch the first signal itself.

        What no signal reaches for long, such as a process that was stopped, is killed.
        """
        completion = asyncio.create_task(self._wait_until_complete(execution))
        kill_time = time.monotonic() + STOP_TIMEOUT
        while not completion.done() and await self.is_alive():
            if time.monotonic() > kill_time:
                await self._manager.signal_kernel(signal.SIGKILL)
            await self._manager.interrupt_kernel()
            await asyncio.wait({completion}, timeout=INTERRUPT_INTERVAL)
        await completion
        execution.reply.cancel()
        self._interruption = None

    async def _read_outputs(self) -> None:
        """Give each IOPub message to the code that it belongs to."""
        while True:
            try:
                message = await receive(self._client.iopub_channel, self._skips)
                if self._execution:
                    self._execution.handle_output(message)
            except UNREADABLE as error:
                if self._execution:
                    self._execution.collector.add_text(
                        "stderr", f"An output can't be read: {error!r}\n"
                    )

    def _skips(self, message_type: str) -> bool:
        """Whether nobody asks what the next message says: whose code it is has hung up."""
        unwanted = self._execution is None or self._execution.collector.keeps_nothing
        return unwanted and message_type != "status"

    async def _end_error(self) -> str:
        """What a call is told whose process has ended."""
        if self._close_error is not None:
            return self._close_error
        provisioner = self._manager.provisioner
        status = await provisioner.poll() if provisioner else None
        reason = self._place.end_reason() or _describe_exit(status)
        return (
            f"InterpreterDied: the interpreter ended while it ran this code ({reason}).\n"
            "Its variables and files are gone."
        )

    def _register_process(self) -> None:
        self._pid = getattr(self._manager.provisioner, "pid", None)
        if self._pid is not None:
            self._janitor.register(self._pid)


def _describe_exit(status: int | None) -> str:
    if status is None or status >= 0:
        return f"exit status {'unknown' if status is None else status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:  # one of the real-time signals, most of which have no name
        return f"killed by signal {-status}"
