"""The event loop in a thread of its own, and what the thread that waits does for it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

from tci_kernel.extension.worker import Calls, Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.finish(asyncio.sleep(0), 10.0)


class Work:
    """Waits until it is stopped, once it has had a function called."""

    def __init__(self, function: object = None, *, asks: bool = False) -> None:
        self._function = function if callable(function) else lambda: None
        self._asks = asks
        self._stopped = asyncio.Event()
        self.stops = 0

    async def run(self, calls: Calls) -> str:
        calling = asyncio.create_task(calls.make(self._function, asks=self._asks))
        await self._stopped.wait()
        calling.cancel()
        return "stopped"

    def stop(self) -> None:
        self.stops += 1
        self._stopped.set()


def test_calls_are_made_in_the_thread_that_waits(worker: Worker) -> None:
    async def work(calls: Calls) -> tuple[int, int]:
        return threading.get_ident(), await calls.make(threading.get_ident)

    there, here = worker.run(work, lambda: None)

    assert here == threading.get_ident() != there


def test_what_a_call_raises_is_raised_where_it_is_awaited(worker: Worker) -> None:
    async def work(calls: Calls) -> str:
        with pytest.raises(ZeroDivisionError):
            await calls.make(lambda: 1 / 0)
        return "went on"

    assert worker.run(work, lambda: None) == "went on"


def test_what_is_raised_there_is_raised_here(worker: Worker) -> None:
    async def work(_calls: Calls) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        worker.run(work, lambda: None)


def test_an_interrupt_stops_what_is_waited_for_and_is_no_exception_here(worker: Worker) -> None:
    before = signal.getsignal(signal.SIGINT)
    work = Work(lambda: signal.raise_signal(signal.SIGINT))

    assert worker.run(work.run, work.stop) == "stopped"
    assert work.stops == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_ends_a_question(worker: Worker) -> None:
    reached = []

    def ask() -> None:
        signal.raise_signal(signal.SIGINT)
        reached.append("an answer")

    work = Work(ask, asks=True)

    assert worker.run(work.run, work.stop) == "stopped"
    assert (work.stops, reached) == (1, [])


def test_who_wants_to_leave_leaves_once_the_work_has_been_stopped(worker: Worker) -> None:
    def leave() -> None:
        raise SystemExit(3)

    work = Work(leave)

    with pytest.raises(SystemExit):
        worker.run(work.run, work.stop)
    assert work.stops == 1


def test_interrupts_are_left_alone_where_another_thread_waits(worker: Worker) -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def wait() -> None:
        async def work(calls: Calls) -> None:
            seen.append(await calls.make(lambda: signal.getsignal(signal.SIGINT)))

        worker.run(work, lambda: None)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(60)

    assert seen == [before]


async def _for_ever() -> None:
    await asyncio.Event().wait()


def test_the_end_does_not_wait_for_long() -> None:
    other = Worker()
    other.finish(_for_ever(), 0.05)

    assert not other._thread.is_alive()
