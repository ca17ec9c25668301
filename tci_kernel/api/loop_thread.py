"""An event loop in a thread of its own, for callers that have none, or one that must not wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, TypeVar

from tci_kernel.core.errors import UsageError

T = TypeVar("T")

# Seconds that the thread has to end in, once it is to. It is left behind then, and ends with the
# process, which does not wait for it.
JOIN_LIMIT = 15.0


class LoopThread:
    """Runs coroutines for other threads, until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._running: dict[Future[Any], asyncio.Task[Any]] = {}
        self._last: asyncio.Task[object] | None = None
        self._lock = threading.Lock()  # nothing is scheduled once it is closed
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="tci_kernel", daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine, and wait for it. If the wait is interrupted, it is cancelled first.

        Raises:
            UsageError: it is closed, or was meanwhile.
            BaseException: what the coroutine raises.
        """
        result: Future[T] = Future()
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise UsageError("The client is closed.")
            self._loop.call_soon_threadsafe(self._start, coroutine, result)
        try:
            return result.result()
        except BaseException:
            if not result.done():  # it is the wait that has ended, by Ctrl-C as a rule
                self._loop.call_soon_threadsafe(self._cancel, result)
                wait([result])
            raise

    def tidy_up(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine that is of use while the loop is open, and wait for it where that can be.

        Python collects garbage in any thread: in this one, nothing can be waited for.
        """
        if threading.current_thread() is self._thread:
            self._start(coroutine, Future())
        else:
            with suppress(UsageError):
                self.call(coroutine)

    def close(self, last: Coroutine[Any, Any, object] | None = None) -> None:
        """Cancel what runs, and end the thread. From any thread, once.

        Args:
            last: is run first, for who can't wait for how it ends.
        """
        with self._lock:
            self._is_closed = True
            self._loop.call_soon_threadsafe(self._end, last)
        if threading.current_thread() is not self._thread:  # see `tidy_up`
            self._thread.join(JOIN_LIMIT)

    def abandon(self) -> None:
        """Take no more calls, and leave the thread to end with the process."""
        with self._lock:
            self._is_closed = True

    # -- in the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        rest = asyncio.all_tasks(self._loop)
        for task in rest:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _start(self, coroutine: Coroutine[Any, Any, T], result: Future[T]) -> None:
        task = self._loop.create_task(coroutine)
        self._running[result] = task
        task.add_done_callback(lambda _: self._settle(result))

    def _settle(self, result: Future[Any]) -> None:
        task = self._running.pop(result)
        if task.cancelled():
            result.set_exception(UsageError("The client was closed meanwhile."))
        elif (error := task.exception()) is not None:
            result.set_exception(error)
        else:
            result.set_result(task.result())

    def _cancel(self, result: Future[Any]) -> None:
        if result in self._running:
            self._running[result].cancel()

    def _end(self, last: Coroutine[Any, Any, object] | None) -> None:
        if last is None:
            self._loop.stop()
        else:
            self._last = self._loop.create_task(last)
            self._last.add_done_callback(lambda _: self._loop.stop())
