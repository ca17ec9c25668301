"""A sandbox that stays while one interpreter after another runs in it; see `supervisor.sh`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from signal import SIGKILL
from typing import Any

from jupyter_client.launcher import launch_kernel

from tci_kernel.server.janitor import Janitor

# Seconds that a sandbox has to be made, and between looks for it.
START_TIMEOUT = 30.0
START_INTERVAL = 0.005

# Seconds for an interpreter to end that is told to; then the whole sandbox is killed.
END_TIMEOUT = 5.0
END_INTERVAL = 0.01

# What a shell, and bubblewrap, add to the number of the signal that killed a program.
_KILLED = 128

# Bytes of reports that are read at once. Each has up to four.
_REPORTS = 4096


def supervised(directory: str, command: Sequence[str]) -> list[str]:
    """The command of the supervisor of a command.

    Args:
        directory: of its sockets, inside.
        command: starts an interpreter.
    """
    text = files("tci_kernel.remote").joinpath("supervisor.sh").read_text()
    return ["sh", "-c", text, "sh", directory, *command]


class Supervisor:
    """Starts interpreters in a sandbox that it makes, and ends them.

    Args:
        directory: of the sockets, inside: a name that is nowhere outside.
        janitor: told of the sandbox, which must not outlive the server.

    Attributes:
        process: of the sandbox; None before there is one.
        first: the first process inside, which leads the group of the interpreter.
        has_answered: whether the present interpreter has; else the sandbox may be what is wrong.
    """

    def __init__(self, directory: str, janitor: Janitor) -> None:
        self._directory = directory
        self._janitor = janitor
        self.process: subprocess.Popen[bytes] | None = None
        self.first = 0
        self.has_answered = False
        self._opened = -1
        self._orders = -1
        self._reports = -1
        self._status: int | None = None

    @property
    def is_alive(self) -> bool:
        """Whether there is a sandbox."""
        return self.process is not None and self.process.poll() is None

    @property
    def sockets(self) -> str:
        """The directory of the sockets, as this process gets there."""
        return f"/proc/self/fd/{self._opened}"

    @property
    def proc(self) -> str:
        """The file system of the sandbox's processes, as this process gets there."""
        return f"/proc/{self.first}/root/proc"

    async def make(self, wrap: Callable[[int], list[str]], options: dict[str, Any]) -> None:
        """Make the sandbox.

        Args:
            wrap: gives the command that does, by the open file that says which process is the first
                inside; see `bubblewrap.command`.
            options: keyword arguments of Jupyter's `launch_kernel`, but for input and output.

        Raises:
            RuntimeError: it can't be made.
        """
        self.close()  # what there is of one before
        reading, writing = os.pipe()
        orders, self._orders = os.pipe()
        self._reports, reports = os.pipe()
        os.set_blocking(self._orders, False)
        os.set_blocking(self._reports, False)
        with os.fdopen(reading, "rb") as info:
            try:
                command = await asyncio.to_thread(wrap, writing)
                self.process = launch_kernel(
                    command, stdin=orders, stdout=reports, pass_fds=(writing,), **options
                )
            finally:
                for end in (writing, orders, reports):
                    os.close(end)
            self._janitor.register(self.process.pid)
            self.first = _first_process(await asyncio.to_thread(info.read))
        await self._open_sockets()

    async def _open_sockets(self) -> None:
        """Open the directory of the sockets, once it is there.

        The sandbox may end, and another process have its number: what is open stays what it was.
        """
        place = f"/proc/{self.first}/root{self._directory}"
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.is_alive:
            with suppress(OSError):
                self._opened = os.open(place, os.O_PATH | os.O_DIRECTORY)
                return
            await asyncio.sleep(START_INTERVAL)
        raise RuntimeError("its sandbox could not be made")

    def start(self) -> None:
        """Start an interpreter. The one before it has ended."""
        self._status = None
        self.has_answered = False
        self._order("start")

    def poll(self) -> int | None:
        """How the interpreter has ended, as processes say it; None while it runs."""
        if self._status is None:
            self._status = self._reported()
        return self._status

    async def end(self) -> None:
        """Kill the interpreter, with all that it has started.

        The whole sandbox, where that does not help, or what it has started has never answered.
        """
        if self.poll() is None and self.has_answered:
            self._order("end")
            with suppress(TimeoutError):
                async with asyncio.timeout(END_TIMEOUT):
                    while self.poll() is None:  # noqa: ASYNC110 - what the pipe brings is no event
                        await asyncio.sleep(END_INTERVAL)
        if self._status is None or not self.has_answered:
            self._kill()

    def close(self) -> None:
        """Let go of the sandbox, and of all that is in it. Takes its time."""
        if self.process is not None:
            self._kill()
            self.process.wait()
            self._janitor.unregister(self.process.pid)
        self.process, self.first = None, 0
        for end in (self._opened, self._orders, self._reports):
            if end >= 0:
                os.close(end)
        self._opened = self._orders = self._reports = -1

    def _order(self, text: str) -> None:
        with suppress(OSError):  # it has ended, or takes nothing: `poll` and `end` find that out
            os.write(self._orders, f"{text}\n".encode())

    def _reported(self) -> int | None:
        """What the supervisor has said last; code in its sandbox can say it as well."""
        assert self.process is not None  # noqa: S101 - nobody asks before
        status = self.process.poll()
        if status is None:
            with suppress(BlockingIOError, ValueError, LookupError):
                status = int(os.read(self._reports, _REPORTS).split()[-1])
        return _KILLED - status if status is not None and status > _KILLED else status

    def _kill(self) -> None:
        """Kill the first process inside, which heeds nothing else and with which all ends."""
        assert self.process is not None  # noqa: S101 - as above
        if self.process.poll() is None:
            with suppress(OSError):
                os.kill(self.first or self.process.pid, SIGKILL)


def _first_process(info: bytes) -> int:
    """What bubblewrap says of the sandbox that it has made."""
    try:
        return int(json.loads(info)["child-pid"])
    except ValueError as error:
        raise RuntimeError("its sandbox could not be made") from error
