"""How what runs is stopped: by the protocol's message, or by SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from _thread import interrupt_main
from types import FrameType
from typing import Any

from tci_kernel.kernel.assistance import Assistance


class Interruptible(Assistance):
    """The base of the kernel that stops its running cell.

    Attributes:
        running: the task of the running cell; the kernel's to set.
        loop: the event loop of the main thread, which runs cells.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def start(self) -> None:
        """Begin to answer messages, and turn SIGINT into an interrupt of the running cell."""
        super().start()
        # The attribute is public and documented, and missing from tornado's annotations.
        self.loop: asyncio.AbstractEventLoop = self.io_loop.asyncio_loop  # type: ignore[attr-defined]
        signal.signal(signal.SIGINT, self._on_sigint)

    def interrupt_session(self) -> bool:
        """Have the session stop the running cell; whether it runs one. The kernel's to say."""
        raise NotImplementedError

    def is_local_code(self, frame: FrameType | None) -> bool:
        """Whether a frame belongs to a cell that runs in this process. The kernel's to say."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Have the main thread handle SIGINT, which also ends what blocks it. From any thread."""
        if sys.platform == "win32":
            interrupt_main()
            self.loop.call_soon_threadsafe(lambda: None)  # wake it: the signal alone does not
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def stop(self) -> None:
        """Stop the running cell where it runs; what runs nowhere yet is cancelled."""
        if self.running is not None and not self.interrupt_session():
            self.cancel()

    def cancel(self) -> None:
        """Cancel the running cell, once: a second interrupt must not break the clean-up."""
        if self.running is not None and not self.running.cancelling():
            self.running.cancel()

    async def interrupt_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Stop the running cell. The base class would send SIGINT to the whole process group."""
        self.interrupt()
        if self.session:
            self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)

    def pre_handler_hook(self) -> None:
        """Keep our SIGINT handler: the base class would install one that ends the process."""

    def post_handler_hook(self) -> None:
        """Nothing to restore after `pre_handler_hook`."""

    def _on_sigint(self, _signum: int, frame: FrameType | None) -> None:
        if self.is_local_code(frame):
            raise KeyboardInterrupt
        self.loop.call_soon_threadsafe(self.stop)
