"""One interpreter: a real Jupyter kernel, driven over its own protocol."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import zmq.asyncio
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager

from tci_kernel.client.schema import Output
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server import working_directory
from tci_kernel.server.channels import UNREADABLE, Message, connect, receive
from tci_kernel.server.collector import OutputCollector
from tci_kernel.server.janitor import Janitor

# Seconds between the signals to a cell that is to stop and does not.
INTERRUPT_INTERVAL = 1.0

# Seconds between looks at the process while a cell runs: its end raises no event.
POLL_INTERVAL = 0.1

# Seconds for the last output of a kernel that died, which is in the sockets still.
LAST_WORDS = 0.1

# Seconds for the reply to a cell that has ended. A kernel sends none if it can't be put in JSON.
REPLY_LIMIT = 1.0

# A database on the disk, which ends with the session, would take a third of a short cell's time.
_PROFILE = '{"HistoryManager": {"hist_file": ":memory:"}}'

# Asks a kernel where packages are installed. Others than Python's answer with an error.
_SITE = "__import__('site')"
_PACKAGES = {"value": f"[*{_SITE}.getsitepackages(), {_SITE}.getusersitepackages()]"}

# What belongs to the host of the server, not to the code that it runs.
_PRIVATE = ("TOGETHER_API_KEY", "TOGETHER_BASE_URL", "TCI_SERVER_TOKEN", "JPY_SESSION_NAME")


class _Run:
    """A cell on its way: its outputs so far, and an event that says it has ended."""

    def __init__(self, msg_id: str) -> None:
        self.msg_id = msg_id
        self.outputs = OutputCollector()
        self.ended = asyncio.Event()  # outlives the cancellation of a call that waits for it

    def take(self, message: Message) -> None:
        """Take what the cell produced. What a thread prints after its end is dropped."""
        if self.ended.is_set():
            return
        if message.content.get("execution_state") == "idle":
            self.ended.set()
        self.outputs.take(message.type, message.content)

    def conclude(self, reply: Message) -> None:
        """Take the reply, which tells of a failure even where its traceback could not be sent.

        The traceback in it is not looked at: after an `await` it may be an earlier cell's.
        """
        if reply.content.get("status") == "error" and not self.outputs.failed:
            self.outputs.take("error", {**reply.content, "traceback": []})


class Interpreter:
    """A kernel process that runs one piece of code after another.

    Args:
        kernel_name: an installed kernelspec.
        directory: the working directory of the code, made at the start and removed at the end.
        run_files: as `directory`, for the connection file, the sockets and the log; a short path.
        context: the ZeroMQ context that all interpreters of a server share.
        janitor: told of the kernel's process, which must not outlive the server.
    """

    def __init__(
        self,
        kernel_name: str,
        directory: Path,
        run_files: Path,
        context: zmq.asyncio.Context,
        janitor: Janitor,
    ) -> None:
        self.directory = directory
        self._run_files = run_files
        self._context = context
        self._janitor = janitor
        self._pid: int | None = None
        self._log = run_files / "log"
        # Sockets in a private directory need no ports, so that kernels that start side by side
        # can't take each other's, and no other user can reach them.
        self._manager = AsyncKernelManager(
            kernel_name=kernel_name,
            context=context,
            transport="ipc",
            ip=str(run_files / "k"),
            connection_file=str(run_files / "kernel.json"),
        )
        self._run: _Run | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._epitaph: str | None = None

    async def start(self) -> None:
        """Start the kernel and wait until it answers.

        Raises:
            RequestRejected: it did not start; the text says what the kernel printed.
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
            self._tell_janitor()
            self._client = await connect(self._manager, self._context)
        except (RuntimeError, OSError, ValueError, NoSuchKernel, zmq.ZMQError) as error:
            raise RequestRejected(
                f"The interpreter did not start: {error}\n{self._log_tail()}".strip(),
                status=500,
                code="interpreter_failed",
            ) from error
        self._listening = asyncio.create_task(self._listen())

    def _environment(self) -> dict[str, str]:
        """Make IPython's directory, and give the environment in which the kernel finds it.

        The profile of the host's user, with its start-up files and history, is not the code's.
        """
        ipython = self._run_files / "ipython"
        profile = ipython / "profile_default"
        profile.mkdir(parents=True)
        (profile / "ipython_config.json").write_text(_PROFILE)
        environment = {name: text for name, text in os.environ.items() if name not in _PRIVATE}
        return environment | {"IPYTHONDIR": str(ipython)} | self._janitor.mark

    async def alive(self) -> bool:
        """Whether the kernel's process runs."""
        return self._epitaph is None and await self._manager.is_alive()

    async def package_directories(self) -> list[Path]:
        """Where packages for the kernel are installed; nowhere if it can't be asked."""
        with suppress(TimeoutError, LookupError, TypeError, ValueError, SyntaxError):
            reply = await self._client.execute(
                "", silent=True, user_expressions=_PACKAGES, reply=True, timeout=REPLY_LIMIT
            )
            directories = reply["content"]["user_expressions"]["value"]["data"]["text/plain"]
            return [Path(directory) for directory in ast.literal_eval(directories)]
        return []

    async def settle(self) -> None:
        """Wait until the code of a cancelled call has stopped."""
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    async def execute(self, code: str) -> list[Output]:
        """Run code and give its outputs. One call at a time, after `settle`.

        If the call is cancelled, the code is interrupted. If the kernel dies, the outputs end in
        an error that says so.
        """
        run = self._run = _Run(
            self._client.execute(code, allow_stdin=False, stop_on_error=False),
        )
        try:
            if not await self._wait_end(run):
                run.outputs.add("error", await self._cause_of_death())
        except asyncio.CancelledError:
            self._stopping = asyncio.create_task(self._stop(run))
            raise
        return run.outputs.outputs()

    async def close(self, epitaph: str) -> None:
        """Kill the kernel and remove its files.

        A running call ends in an error with the text of `epitaph`.
        """
        self._epitaph = self._epitaph or epitaph
        if self._listening is not None:
            self._listening.cancel()
            self._client.stop_channels()
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        if self._pid is not None:
            self._janitor.ended(self._pid)
            self._pid = None
        await asyncio.to_thread(working_directory.remove, self.directory, self._run_files)

    async def _wait_end(self, run: _Run) -> bool:
        """Wait until a cell ends; false if the kernel ends before it."""
        end = asyncio.create_task(self._end(run))
        try:
            while not end.done():
                await asyncio.wait({end}, timeout=POLL_INTERVAL)
                if not end.done() and not await self.alive():
                    await asyncio.wait({end}, timeout=LAST_WORDS)
                    break
            return end.done() and not end.cancelled() and end.exception() is None
        finally:
            end.cancel()

    async def _end(self, run: _Run) -> None:
        """Return when a cell has ended: it is idle, and its reply is off the shell channel."""
        await run.ended.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(REPLY_LIMIT):
                run.conclude(await self._reply(run.msg_id))

    async def _reply(self, msg_id: str) -> Message:
        while True:
            reply = await receive(self._client.shell_channel)
            if reply.parent_id == msg_id:
                return reply

    async def _stop(self, run: _Run) -> None:
        """Interrupt a cell until it ends: the first signal may be caught by its own code."""
        waiting = asyncio.create_task(self._wait_end(run))
        while not waiting.done() and await self.alive():
            await self._manager.interrupt_kernel()
            await asyncio.wait({waiting}, timeout=INTERRUPT_INTERVAL)
        await waiting
        self._stopping = None

    async def _listen(self) -> None:
        """Give each IOPub message to the cell that it belongs to."""
        while True:
            try:
                message = await receive(self._client.iopub_channel)
                if self._run and message.parent_id == self._run.msg_id:
                    self._run.take(message)
            except UNREADABLE as error:
                if self._run:
                    self._run.outputs.add("stderr", f"An output can't be read: {error!r}\n")

    async def _cause_of_death(self) -> str:
        if self._epitaph is None:
            provisioner = self._manager.provisioner
            status = await provisioner.poll() if provisioner else None
            self._epitaph = (
                f"InterpreterDied: the interpreter ended while it ran this code "
                f"({_exit(status)}). Its variables and files are gone."
            )
        return self._epitaph

    def _tell_janitor(self) -> None:
        self._pid = getattr(self._manager.provisioner, "pid", None)
        if self._pid is not None:
            self._janitor.started(self._pid)

    def _log_tail(self) -> str:
        try:
            return self._log.read_text(errors="replace")[-2000:]
        except OSError:
            return ""


def _exit(status: int | None) -> str:
    if status is None or status >= 0:
        return f"exit status {'unknown' if status is None else status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:  # one of the real-time signals, most of which have no name
        return f"killed by signal {-status}"
