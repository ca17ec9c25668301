"""The channels to an interpreter: opened, written to, and read for those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from tci_kernel.remote.frames import Frames, Signer

# Seconds that an interpreter has to start.
START_TIMEOUT = 60.0

# Seconds between looks for the sockets of an interpreter that starts.
_SOCKET_INTERVAL = 0.005

# Milliseconds that it may be silent before its process is looked at.
_ANSWER_INTERVAL = 100

# Bytes of a message, of which there is one for all that was printed between two flushes. ZeroMQ
# ends a connection that brings a longer one, and makes another.
MOST_MESSAGE = 256_000_000

# Messages of a channel that are read before others have their turn.
TURN = 100

# Seconds without output after which a question is passed on, and seconds for all of them. ipykernel
# sends what was printed before a question first, but on another channel.
OUTPUT_PAUSE = 0.005
OUTPUT_LIMIT = 0.1

# What comes of a message's content that is not what the protocol says. Code can nest its data
# without limit, and write to the sockets itself.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


class Channels:
    """The channels to one interpreter, which are read all the time.

    Args:
        manager: of the interpreter, which has been launched.
        context: the ZeroMQ context that all interpreters of a server share.
        receive: called with each message; None stands for one that can't be read.

    Attributes:
        client: makes requests of our own.
        info: the content of the interpreter's `kernel_info_reply`, once it has answered.
    """

    def __init__(
        self,
        manager: AsyncKernelManager,
        context: zmq.asyncio.Context,
        receive: Callable[[str, Frames | None], None],
    ) -> None:
        self._manager = manager
        # Left to itself, the client would make a ZeroMQ context, with a thread, of its own.
        self.client: AsyncKernelClient = manager.client(context=context)
        self._receive = receive
        self._signer = Signer(manager.session.key)
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._published = 0
        self.info: Mapping[str, Any] = {}

    async def open(self) -> None:
        """Open the channels, wait until the interpreter answers, and begin to read.

        Raises:
            RuntimeError: it ended, or took too long.
        """
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await self._wait_for_sockets()
                self.client.start_channels(hb=False)
                await self._wait_for_answer()
        except TimeoutError as error:
            raise RuntimeError(f"it did not answer in {START_TIMEOUT:.0f} seconds") from error
        # All are opened at once: a question to one that is not connected yet would be lost.
        for name in ("iopub", "shell", "control", "stdin"):
            self._readers[name] = asyncio.create_task(self._read(name))

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, given as an exchange brings it."""
        socket, frames = self._socket(message["channel"]), self._signer.frames(message)
        sending = asyncio.ensure_future(socket.send_multipart(frames))
        sending.add_done_callback(_ignored)  # one that was closed meanwhile has no use for it

    def reconnect_output(self) -> None:
        """Connect anew where what is published comes from: ZeroMQ has ended that connection."""
        socket = self._socket("iopub")
        endpoint = cast(bytes, socket.get(zmq.LAST_ENDPOINT)).decode().rstrip("\0")
        with suppress(zmq.ZMQError):  # it knows that there is no connection
            socket.disconnect(endpoint)
        socket.connect(endpoint)

    def close(self) -> None:
        """Read no more."""
        for reader in self._readers.values():
            reader.cancel()
        self.client.stop_channels()

    def _socket(self, name: str) -> zmq.asyncio.Socket:
        return cast(zmq.asyncio.Socket, getattr(self.client, f"{name}_channel").socket)

    async def _wait_for_sockets(self) -> None:
        """Wait for the sockets. ZeroMQ itself would look only ten times a second."""
        manager = self._manager
        if manager.transport == "ipc":
            ports = (manager.shell_port, manager.iopub_port)
            sockets = [Path(f"{manager.ip}-{port}") for port in ports]
            while not all(socket.exists() for socket in sockets):
                await self._check_alive()
                await asyncio.sleep(_SOCKET_INTERVAL)

    async def _wait_for_answer(self) -> None:
        """Ask until it answers, and what it publishes comes through too.

        The client's own way ends with a fifth of a second without messages.
        """
        shell, iopub = self._socket("shell"), self._socket("iopub")
        while True:
            self.client.kernel_info()
            while not await shell.poll(_ANSWER_INTERVAL):
                await self._check_alive()
            answer = self._signer.read("shell", await shell.recv_multipart())
            if answer is not None and await iopub.poll(_ANSWER_INTERVAL):
                with suppress(*UNREADABLE):
                    self.info = answer.content()
                return

    async def _check_alive(self) -> None:
        if not await self._manager.is_alive():
            raise RuntimeError("it ended before it answered")

    async def _read(self, name: str) -> None:
        """Pass on what comes on a channel. It may come faster than others have their turn."""
        socket = self._socket(name)
        while True:
            for _ in range(TURN):
                message = self._signer.read(name, await socket.recv_multipart())
                if name == "stdin":
                    await self._let_output_pass()
                self._published += name == "iopub"
                self._receive(name, message)
            await asyncio.sleep(0)

    async def _let_output_pass(self) -> None:
        """Wait for what was published before a question, which may have been the quicker one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(OUTPUT_LIMIT):
                published = -1
                while published != self._published:
                    published = self._published
                    await asyncio.sleep(OUTPUT_PAUSE)


def _ignored(sending: asyncio.Future[Any]) -> None:
    """Ask for what became of a message that was sent, so that asyncio does not complain."""
    if not sending.cancelled():
        sending.exception()
