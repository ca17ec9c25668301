"""One interpreter: the process of a real Jupyter kernel, driven over its own protocol."""

from __future__ import annotations

import ast
import asyncio
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq.asyncio

from tci_kernel.core.errors import RequestRejected
from tci_kernel.remote.frames import Frames
from tci_kernel.remote.interpreter import DEAD, ENDED, FAILED, READY, STARTING
from tci_kernel.server import janitor_process
from tci_kernel.server.calls import Calls
from tci_kernel.server.channels import Channels
from tci_kernel.server.janitor import Janitor
from tci_kernel.server.places.base import Place

# Seconds for the last output of an interpreter that died, which is in the sockets still.
LAST_OUTPUT_TIMEOUT = 0.1

# Seconds between two questions whether one that runs elsewhere is alive.
ASK_INTERVAL = 5.0

# What a start raises that fails.
_NOT_STARTED = (RuntimeError, OSError, ValueError, LookupError, TypeError, zmq.ZMQError)

# Seconds for the reply to a question of the server's own.
QUESTION_TIMEOUT = 1.0

# Asks where packages are installed. Kernels of other languages answer with an error.
_SITE = "__import__('site')"
_PACKAGES_EXPRESSION = f"[*{_SITE}.getsitepackages(), {_SITE}.getusersitepackages()]"

# Makes the process a subreaper: prctl(2), PR_SET_CHILD_SUBREAPER.
_SUBREAPER_EXPRESSION = "__import__('ctypes').CDLL(None).prctl(36, 1, 0, 0, 0)"


class Interpreter:
    """A process that runs one piece of code after another. See also `remote.interpreter`.

    Args:
        place: where it runs.
        context: the ZeroMQ context that all interpreters of a server share.
        janitor: told of the process, which must not outlive the server.
        number: how many there have been in its session, with this one.

    Attributes:
        calls: runs code whose outputs are the answer to a request.
        number: as above.
        state: see `remote.interpreter`.
        reason: why it has failed or how it died; a text.
        info: the content of its `kernel_info_reply`, once it is ready.
        closing: the removal of what there is of it, once it has ended; None before.
    """

    def __init__(
        self, place: Place, context: zmq.asyncio.Context, janitor: Janitor, number: int = 1
    ) -> None:
        self.number = number
        self.state = STARTING
        self.reason = ""
        self.info: dict[str, Any] = {}
        self.closing: asyncio.Task[None] | None = None
        self._place = place
        self._context = context
        self._janitor = janitor
        self._pid: int | None = None
        self._manager = place.make_manager(context)
        self._waiting: list[dict[str, Any]] = []  # until it is ready
        self._listener: Callable[[Frames], None] | None = None
        self._is_busy: Callable[[], bool] = bool
        self._first: str | None = None  # request of exchanges; empty once it has begun
        self._interrupting: set[asyncio.Task[None]] = set()
        self._close_error = ""
        self._asked = 0.0  # when it was last seen to be alive
        self._channels: Channels | None = None
        self.calls = Calls(self)

    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            RequestRejected: it did not start; the text says what it printed.
        """
        try:
            with self._place.opened() as options, self._janitor.starting():
                await self._manager.start_kernel(**options)
                self._register_process()
            self._channels = Channels(self._manager, self._context, self._take)
            await self._channels.open()
            self.info, self.state = dict(self._channels.info), READY
            await self._place.enter(self.calls.run_quietly)
        except _NOT_STARTED as error:
            why = self._place.end_reason()
            said = f"{error} ({why})" if why else str(error)
            self.reason = f"{said}\n{self._place.log()}".strip()
            self.state = FAILED
            raise RequestRejected(
                f"The interpreter did not start: {self.reason}",
                status=500,
                code="interpreter_failed",
            ) from error
        self._adopt_orphans()
        if self._listener is not None:
            self.listen(self._listener, self._is_busy)

    def _adopt_orphans(self) -> None:
        """Have it be the parent of what its code starts and leaves, for all that to end with it.

        Nobody waits for it: what is asked next comes after it.
        """
        if sys.platform == "linux" and self._place.is_here and not self._place.is_contained:
            expression = {"value": _SUBREAPER_EXPRESSION}
            self.channels.client.execute(
                "", silent=True, allow_stdin=False, user_expressions=expression
            )

    @property
    def pid(self) -> int:
        """Its process; 0 where it is none of this computer."""
        return self._pid or 0

    @property
    def channels(self) -> Channels:
        """The channels to it, once it has been started."""
        assert self._channels is not None  # noqa: S101 - nobody asks before
        return self._channels

    async def is_alive(self) -> bool:
        """Whether the process runs. Once it does not, `state` says so."""
        if self.state in ENDED:
            return False
        # Elsewhere it may be a request to ask.
        interval = 0.0 if self._place.is_here else ASK_INTERVAL
        if self.state == READY and time.monotonic() < self._asked + interval:
            return True
        if await self._manager.is_alive():
            self._asked = time.monotonic()
            return True
        if self.state == READY:
            await self._note_death()
        return False

    async def _note_death(self) -> None:
        """Take note of its end, once its last output has come."""
        await asyncio.sleep(LAST_OUTPUT_TIMEOUT)
        provisioner = self._manager.provisioner
        status = await provisioner.poll() if provisioner else None
        if self.state == READY:  # nobody else has been quicker
            lost = "" if self._place.keeps_files else ", and its sandbox with all files"
            self.reason = (self._place.end_reason() or _described(status)) + lost
            self.state = DEAD

    async def package_directories(self) -> list[Path]:
        """Where packages for it are installed; nowhere if it can't be asked."""
        said = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(QUESTION_TIMEOUT):
                said = await self.calls.value(_PACKAGES_EXPRESSION)
        with suppress(LookupError, TypeError, ValueError, SyntaxError):
            return [Path(directory) for directory in ast.literal_eval(said)]
        return []

    # -- what exchanges ask ------------------------------------------------------------------

    def listen(self, listener: Callable[[Frames], None], is_busy: Callable[[], bool]) -> None:
        """From now on, give what comes to a listener.

        Args:
            listener: called with each message.
            is_busy: whether what exchanges have sent has not ended.
        """
        self._listener, self._is_busy = listener, is_busy
        if self.state == READY:
            waiting, self._waiting = self._waiting, []
            for message in waiting:
                self.channels.send(message)

    def send(self, message: dict[str, Any]) -> None:
        """See `remote.interpreter`."""
        if self._first is None:
            self._first = str(message["header"]["msg_id"])
        if self.state == STARTING:
            self._waiting.append(message)
        elif self.state == READY:
            self.channels.send(message)

    def interrupt(self) -> None:
        """See `remote.interpreter`."""
        if self.state == READY:
            interrupting = asyncio.create_task(self.signal(signal.SIGINT))
            self._interrupting.add(interrupting)
            interrupting.add_done_callback(self._interrupting.discard)

    def end(self) -> None:
        """See `remote.interpreter`."""
        if self.closing is None:
            if self.state not in ENDED:
                self.state, self.reason = DEAD, "it was to begin anew"
            self.closing = asyncio.create_task(self._close())

    @property
    def is_shared(self) -> bool:
        """Whether exchanges run code in it now, or have sent some."""
        return self._is_busy()

    # -- the process -------------------------------------------------------------------------

    async def signal(self, number: int) -> None:
        """Send the process a signal; SIGINT as its kernelspec wants to be interrupted."""
        if number == signal.SIGINT:
            await self._manager.interrupt_kernel()
        else:
            await self._manager.signal_kernel(number)

    async def close(self, reason: str) -> None:
        """Kill the process, with all that it has started.

        Args:
            reason: what a running call is told.
        """
        if self.state == READY and self.calls.is_idle:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUESTION_TIMEOUT):
                    await self._place.leave(self.calls.run_quietly)
        self._close_error = reason
        self.end()
        assert self.closing is not None  # noqa: S101 - `end` has made it
        await asyncio.shield(self.closing)

    def end_error(self) -> str:
        """What code is told in which the process has ended."""
        if self._close_error:
            return self._close_error
        kept = self._place.keeps_files
        lost = "variables" if kept else "variables and files"
        stays = "The session and its files stay" if kept else "The session stays"
        return (
            f"InterpreterDied: the interpreter ended while it ran this code ({self.reason}).\n"
            f"Its {lost} are gone. {stays}: what runs next starts another."
        )

    async def _close(self) -> None:
        if self._channels is not None:
            self._channels.close()
        if self._pid is not None and await self._manager.is_alive():
            await asyncio.to_thread(janitor_process.kill, {self._pid})
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        if self._pid is not None:
            self._janitor.unregister(self._pid)
            self._pid = None
        await self._janitor.kill_orphans()
        await asyncio.to_thread(self._place.sweep)

    def _take(self, channel: str, message: Frames | None) -> None:
        """Give a message to whom it concerns."""
        self.calls.take(channel, message)
        if self._listener is None or message is None:
            return
        if message.parent_id == self._first:
            self._first = ""
        # What it prints while it starts, such as warnings of its debugger, is nobody's.
        if message.parent_id or not self._first:
            self._listener(message)

    def _register_process(self) -> None:
        if self._place.is_here and not self._place.is_contained:
            self._pid = getattr(self._manager.provisioner, "pid", None)
        if self._pid is not None:
            self._janitor.register(self._pid)


def _described(status: int | None) -> str:
    """How a process ended, by its status."""
    if status is None or status >= 0:
        return f"exit status {'unknown' if status is None else status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:  # one of the real-time signals, most of which have no name
        return f"killed by signal {-status}"
