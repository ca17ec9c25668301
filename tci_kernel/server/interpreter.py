"""One interpreter: the process of a real Jupyter kernel, driven over its own protocol."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import zmq.asyncio
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager

from tci_kernel.client.schema import Output
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server import janitor_process, working_directory
from tci_kernel.server.channels import UNREADABLE, Message, connect, receive
from tci_kernel.server.collector import OutputCollector
from tci_kernel.server.execution import Execution
from tci_kernel.server.janitor import Janitor

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

# A database on the disk, which ends with the session, would take a third of a short call's time.
_IPYTHON_CONFIG = '{"HistoryManager": {"hist_file": ":memory:"}}'

# Asks where packages are installed. Kernels of other languages answer with an error.
_SITE = "__import__('site')"
_PACKAGES_EXPRESSION = {"value": f"[*{_SITE}.getsitepackages(), {_SITE}.getusersitepackages()]"}

# Variables that belong to the host of the server, not to the code that it runs.
_HOST_VARIABLES = ("TOGETHER_API_KEY", "TOGETHER_BASE_URL", "TCI_SERVER_TOKEN", "JPY_SESSION_NAME")


class Interpreter:
    """A process that runs one piece of code after another.

    Args:
        kernel_name: an installed kernelspec.
        directory: the working directory of the code, made at the start and removed at the end.
        runtime_directory: as `directory`, for the connection file, the sockets and the log; a short
            path.
        context: the ZeroMQ context that all interpreters of a server share.
        janitor: told of the process, which must not outlive the server.
    """

    def __init__(
        self,
        kernel_name: str,
        directory: Path,
        runtime_directory: Path,
        context: zmq.asyncio.Context,
        janitor: Janitor,
    ) -> None:
        self.directory = directory
        self._runtime_directory = runtime_directory
        self._context = context
        self._janitor = janitor
        self._pid: int | None = None
        self._log = runtime_directory / "log"
        # Sockets in a private directory need no ports, so that interpreters that start together
        # can't take each other's, and no other user can reach them.
        self._manager = AsyncKernelManager(
            kernel_name=kernel_name,
            context=context,
            transport="ipc",
            ip=str(runtime_directory / "k"),
            connection_file=str(runtime_directory / "kernel.json"),
        )
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
            self.directory.mkdir()
            environment = self._environment()
            with self._log.open("wb") as log:
                await self._manager.start_kernel(
                    cwd=str(self.directory),
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
            self._register_process()
            self._client = await connect(self._manager, self._context)
        except (RuntimeError, OSError, ValueError, NoSuchKernel, zmq.ZMQError) as error:
            raise RequestRejected(
                f"The interpreter did not start: {error}\n{self._log_tail()}".strip(),
                status=500,
                code="interpreter_failed",
            ) from error
        self._output_reader = asyncio.create_task(self._read_outputs())

    def _environment(self) -> dict[str, str]:
        """Make directories for IPython and Jupyter, and give the environment that names them.

        The profile of the host's user, with its start-up files and history, is not the code's. What
        kernels that it starts leave when they are killed goes with the interpreter.
        """
        runtime = self._runtime_directory / "jupyter"
        runtime.mkdir(parents=True)
        ipython = self._runtime_directory / "ipython"
        profile = ipython / "profile_default"
        profile.mkdir(parents=True)
        (profile / "ipython_config.json").write_text(_IPYTHON_CONFIG)
        environment = {
            name: value for name, value in os.environ.items() if name not in _HOST_VARIABLES
        }
        environment |= {"IPYTHONDIR": str(ipython), "JUPYTER_RUNTIME_DIR": str(runtime)}
        environment[janitor_process.SESSION_VARIABLE] = str(self.directory)
        return environment | self._janitor.environment

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

    async def wait_until_idle(self) -> None:
        """Wait until the code of a cancelled call has stopped."""
        if self._interruption is not None:
            await asyncio.wait({self._interruption})

    async def execute(self, code: str) -> list[Output]:
        """Run code and give its outputs. One call at a time, after `wait_until_idle`.

        If the call is cancelled, the code is interrupted. If the process dies, the outputs end in
        an error that says so.
        """
        execution = self._execution = Execution(
            self._client.execute(code, allow_stdin=False, stop_on_error=False),
        )
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
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        if self._pid is not None:
            self._janitor.unregister(self._pid)
            self._pid = None
        await asyncio.to_thread(self._tidy_up)

    def _tidy_up(self) -> None:
        """End what its code has started in groups of their own, and remove its files."""
        janitor_process.kill_strays(janitor_process.SESSION_VARIABLE, str(self.directory))
        working_directory.remove(self.directory, self._runtime_directory)

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
        await execution.idle.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(REPLY_TIMEOUT):
                execution.handle_reply(await self._receive_reply(execution.msg_id))

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
        self._interruption = None

    async def _read_outputs(self) -> None:
        """Give each IOPub message to the code that it belongs to."""
        while True:
            try:
                message = await receive(self._client.iopub_channel, self._skips)
                if self._execution and message.parent_id == self._execution.msg_id:
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
        return (
            f"InterpreterDied: the interpreter ended while it ran this code "
            f"({_describe_exit(status)}).\nIts variables and files are gone."
        )

    def _register_process(self) -> None:
        self._pid = getattr(self._manager.provisioner, "pid", None)
        if self._pid is not None:
            self._janitor.register(self._pid)

    def _log_tail(self) -> str:
        try:
            return self._log.read_text(errors="replace")[-2000:]
        except OSError:
            return ""


def _describe_exit(status: int | None) -> str:
    if status is None or status >= 0:
        return f"exit status {'unknown' if status is None else status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:  # one of the real-time signals, most of which have no name
        return f"killed by signal {-status}"
