"""An event loop in a thread of its own, and how the thread that waits for it works for it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

# Seconds for the thread to end, which may wait for a look-up of an address.
JOIN_LIMIT = 1.0


class Calls:
    """What a thread does for the event loop while it waits for that.

    Args:
        loop: the event loop.
        stop: called on it if the thread is interrupted.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
        self._loop = loop
        self._stop = stop
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._asks = False

    async def make(self, function: Callable[[], T], *, asks: bool = False) -> T:
        """Have the waiting thread call a function, and give what that returns or raises.

        Args:
            function: what is called.
            asks: whether it waits for the user, who may interrupt it.
        """
        answer: asyncio.Future[T] = self._loop.create_future()

        def give(result: T | None, error: Exception | None) -> None:
            if answer.done():  # nobody waits any more
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]  # it is there without an error

        def call() -> None:
            result, error = None, None
            try:
                result = self._interruptible(function) if asks else function()
            except KeyboardInterrupt:
                self._asks = False
                self.stop()
                return
            except Exception as raised:  # noqa: BLE001 - who awaits it gets it
                error = raised
            self._loop.call_soon_threadsafe(give, result, error)

        self._waiting.put(call)
        return await answer

    def stop(self) -> None:
        """Have the event loop stop what the thread waits for."""
        self._loop.call_soon_threadsafe(self._stop)

    def end(self) -> None:
        """Let the thread go. From any thread."""
        self._waiting.put(None)

    def serve(self) -> None:
        """Do what is asked for until the end."""
        with self._interrupts():
            while (call := self._waiting.get()) is not None:
                call()

    def _interruptible(self, function: Callable[[], T]) -> T:
        self._asks = True
        try:
            return function()
        finally:
            self._asks = False

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        """Have an interrupt stop what is waited for; as an exception it could come at any point."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are handled in the main thread alone
            return

        def handle(_number: int, _frame: object) -> None:
            if self._asks:
                raise KeyboardInterrupt
            self.stop()

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class Worker:
    """The thread of an event loop. It does not keep the process from ending."""

    def __init__(self) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="tci-kernel", daemon=True
        )
        self._thread.start()
        self._loop = started.result()

    async def _serve(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        self._ended = asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._ended.wait()

    def run(self, work: Callable[[Calls], Coroutine[Any, Any, T]], stop: Callable[[], object]) -> T:
        """Do something on the event loop, and meanwhile in this thread what that asks for.

        Args:
            work: what is done, given who does calls for it.
            stop: called on the event loop if this thread is interrupted.
        """
        calls = Calls(self._loop, stop)
        done = asyncio.run_coroutine_threadsafe(work(calls), self._loop)
        done.add_done_callback(lambda _: calls.end())
        try:
            calls.serve()
        except BaseException:
            calls.stop()
            calls.serve()  # what waits for an answer would wait for ever
            raise
        return done.result()

    def finish(self, last: Coroutine[Any, Any, None], limit: float) -> None:
        """Do something last on the event loop, in so many seconds, and end it."""
        done = asyncio.run_coroutine_threadsafe(last, self._loop)
        try:
            with suppress(TimeoutError):
                done.result(limit)
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(JOIN_LIMIT)
