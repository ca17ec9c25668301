"""What a caller that hangs up may do to the session: end a wait, and nothing else.

It travels to the session as text, before that of `relay`.
"""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress
from typing import Any

# Signals that came outside of all code: whoever has hung up waits for the next exchange no more.
early: list[int] = []


class woken:  # noqa: N801 - it reads as a function
    """Gives what wakes a wait, which SIGINT does too instead of what it would do else.

    A caller that hangs up has SIGINT sent by some services: it ends the wait and nothing else.
    """

    def __enter__(self) -> tuple[socket.socket, socket.socket, list[int]]:
        self._waker, self._wakened = socket.socketpair()
        self._waker.setblocking(False)
        hung_up: list[int] = []

        def hang_up(number: int, _frame: object) -> None:
            hung_up.append(number)
            with suppress(OSError):  # it is awake
                self._waker.send(b"x")

        self._handler: Any = None
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, hang_up)
            hung_up += early
        return self._waker, self._wakened, hung_up

    def __exit__(self, *_: object) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        early.clear()
        self._waker.close()
        self._wakened.close()


def spare_interrupts(shell: Any, mark: str) -> None:
    """Have SIGINT strike what others run in this session, and nothing else.

    A caller that hangs up has it sent, at any moment. ipykernel lets it strike also before code has
    begun and after it has ended, in the middle of its event loop: that ends the process.

    Args:
        shell: the IPython of this session; None for none.
        mark: stands in the code of our own cells.
    """
    kernel: Any = getattr(shell, "kernel", None)
    if not hasattr(kernel, "pre_handler_hook"):
        return

    def note(*_: object) -> None:
        signal.signal(signal.SIGINT, lambda number, _frame: early.append(number))

    def begin(info: Any) -> None:
        if mark not in info.raw_cell:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    kernel.pre_handler_hook = kernel.post_handler_hook = note
    shell.events.register("pre_run_cell", begin)
    shell.events.register("post_run_cell", note)
