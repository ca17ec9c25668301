"""A burst of output never exceeds what Jupyter Server lets through, and is not held back longer.

Time is replaced in most of these tests: what is to be shown holds at every instant of many
seconds of output, and real seconds would be slow and differ from machine to machine.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jupyter_client.session import Session

from tci_kernel.core.messages import Message, stream
from tci_kernel.kernel import pacing
from tci_kernel.kernel.pacing import (
    MESSAGES,
    OVERHEAD,
    STREAM_BYTES,
    WINDOW,
    IOPubPacer,
    parts,
    stream_bytes,
)

# The defaults in Jupyter Server's documentation: messages and bytes a second, and a window.
SERVER_MESSAGES = 1_000
SERVER_STREAM_BYTES = 1_000_000
SERVER_WINDOW = 3.0


@dataclass
class Clock:
    """Time that passes only while the pacer sleeps, or when a test says so."""

    now: float = 1_000.0
    naps: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@dataclass(frozen=True)
class Sent:
    """A message that was let through."""

    at: float
    size: int


@contextmanager
def own_clock() -> Iterator[Clock]:
    """Give the pacer a clock of ours; everything else keeps the real one."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pacing, "time", SimpleNamespace(monotonic=clock.monotonic))
        patch.setattr(pacing, "asyncio", SimpleNamespace(sleep=clock.sleep))
        yield clock


@pytest.fixture
def clock() -> Iterator[Clock]:
    with own_clock() as clock:
        yield clock


async def send(pacer: IOPubPacer, clock: Clock, sizes: Iterable[int]) -> list[Sent]:
    """Publish messages with so many bytes of stream text as fast as the pacer allows."""
    sent = []
    for size in sizes:
        await pacer.wait(size)
        sent.append(Sent(clock.now, size))
    return sent


def counted(size: int) -> int:
    """What a message counts: its text and what is around it, or nothing if it is no stream."""
    return size + OVERHEAD if size else 0


class Window:
    """Counts the messages of the last seconds, as Jupyter Server does."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._messages: deque[tuple[float, int]] = deque()
        self.bytes = 0

    def add(self, at: float, size: int) -> None:
        while self._messages and self._messages[0][0] + self._seconds <= at:
            self.bytes -= self._messages.popleft()[1]
        self._messages.append((at, size))
        self.bytes += size

    def __len__(self) -> int:
        return len(self._messages)


# --------------------------------------------------------------------------------------------
# The limits


def test_limits_leave_room_below_those_of_jupyter_server() -> None:
    assert WINDOW >= SERVER_WINDOW
    assert MESSAGES / WINDOW < 0.95 * SERVER_MESSAGES
    assert STREAM_BYTES / WINDOW < 0.95 * SERVER_STREAM_BYTES


# Some messages of one size after a pause. Sizes from nothing to more than the limit itself.
BURSTS = st.lists(
    st.tuples(
        st.floats(0, 2 * WINDOW),
        st.sampled_from([1, 2, 40, MESSAGES - 1, MESSAGES + 1]),
        st.sampled_from([0, 1, 500, 65_536, 262_144, STREAM_BYTES - OVERHEAD, 2 * STREAM_BYTES]),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(BURSTS)
@example([(0.0, MESSAGES, 0), (0.0, 1, 1)])
async def test_no_window_holds_more_than_the_limits(bursts: list[tuple[float, int, int]]) -> None:
    pacer = IOPubPacer()
    sent: list[Sent] = []
    with own_clock() as clock:
        for pause, count, size in bursts:
            clock.now += pause
            # The large ones would take minutes; a few show the same.
            few = min(count, 3 * STREAM_BYTES // counted(size) + 2) if size else count
            sent += await send(pacer, clock, [size] * few)

    window = Window(WINDOW)
    for message in sent:
        window.add(message.at, counted(message.size))
        assert len(window) <= MESSAGES
        # A message that is more than the limit by itself can only pass alone.
        assert len(window) == 1 or window.bytes <= STREAM_BYTES


@pytest.mark.parametrize(
    "text",
    [
        *("a line of some length, as programs print them\n", "é\u6f22\U0001f600 \n", "0\n", "\n"),
        *("\x1b[31m#\x1b[0m", '"quoted"\t\\\r\n'),
    ],
    ids=["lines", "unicode", "short lines", "line ends", "colours", "escapes"],
)
async def test_server_that_counts_the_encoded_messages_drops_none(text: str, clock: Clock) -> None:
    session = Session(key=b"a key as long as those that are used")
    parent = session.msg("execute_request", {"code": "print(text)"})
    pacer = IOPubPacer()
    window = Window(SERVER_WINDOW)

    for part in parts(stream("stdout", text * (8_000_000 // len(text.encode())))):
        await pacer.wait(stream_bytes(part))
        sent = session.msg(part.type, dict(part.content), parent=parent)
        frames = session.serialize(sent, b"kernel.id.stdout")
        window.add(clock.now, sum(map(len, frames)))
        assert window.bytes <= SERVER_STREAM_BYTES * SERVER_WINDOW


# --------------------------------------------------------------------------------------------
# The waiting


async def test_nothing_waits_below_the_limits(clock: Clock) -> None:
    pacer = IOPubPacer()
    size = STREAM_BYTES // 100 - OVERHEAD

    await send(pacer, clock, [0] * (MESSAGES - 100) + [size] * 100)

    assert clock.naps == []


async def test_steady_output_below_the_rate_never_waits(clock: Clock) -> None:
    pacer = IOPubPacer()
    for _ in range(3 * MESSAGES):
        clock.now += WINDOW / MESSAGES * 1.01
        await pacer.wait(STREAM_BYTES // MESSAGES - OVERHEAD)

    assert clock.naps == []


async def test_messages_beyond_the_limit_wait_for_the_window_and_no_longer(clock: Clock) -> None:
    start = clock.now

    sent = await send(IOPubPacer(), clock, [0] * (2 * MESSAGES + 1))

    assert sent[MESSAGES - 1].at == start
    assert sent[MESSAGES].at == pytest.approx(start + WINDOW)
    assert sent[2 * MESSAGES - 1].at == pytest.approx(start + WINDOW)
    assert sent[2 * MESSAGES].at == pytest.approx(start + 2 * WINDOW)


async def test_text_beyond_the_limit_waits_for_the_window_and_no_longer(clock: Clock) -> None:
    start = clock.now
    half = STREAM_BYTES // 2 - OVERHEAD

    sent = await send(IOPubPacer(), clock, [half, half, half])

    assert [message.at for message in sent[:2]] == [start, start]
    assert sent[2].at == pytest.approx(start + WINDOW)


async def test_message_waits_only_until_enough_has_left_the_window(clock: Clock) -> None:
    pacer = IOPubPacer()
    start = clock.now
    half = STREAM_BYTES // 2 - OVERHEAD
    await pacer.wait(half)
    clock.now += 2
    await pacer.wait(half)

    await pacer.wait(half)

    assert clock.now == pytest.approx(start + WINDOW)


async def test_message_larger_than_the_limit_passes_at_once_when_it_is_alone(clock: Clock) -> None:
    await IOPubPacer().wait(10 * STREAM_BYTES)

    assert clock.naps == []


async def test_message_larger_than_the_limit_passes_after_the_others(clock: Clock) -> None:
    start = clock.now

    sent = await send(IOPubPacer(), clock, [1, 10 * STREAM_BYTES, 1])

    assert [message.at for message in sent] == pytest.approx(
        [start, start + WINDOW, start + 2 * WINDOW]
    )


async def test_images_of_any_size_are_held_back_by_their_number_alone(clock: Clock) -> None:
    # The server's data rate counts stream text and nothing else.
    await send(IOPubPacer(), clock, [0] * MESSAGES)

    assert clock.naps == []


async def test_sleep_that_ends_early_is_taken_up_again(clock: Clock) -> None:
    pacer = IOPubPacer()
    start = clock.now
    await send(pacer, clock, [0] * MESSAGES)

    async def doze(seconds: float) -> None:
        clock.now += max(seconds / 2, 0.01)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pacing, "asyncio", SimpleNamespace(sleep=doze))
        await pacer.wait(0)

    assert clock.now >= start + WINDOW


async def test_kernel_stays_responsive_while_output_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    # In real time, with a window short enough for a test.
    monkeypatch.setattr(pacing, "WINDOW", 0.2)
    monkeypatch.setattr(pacing, "MESSAGES", 10)
    pacer = IOPubPacer()

    async def publish() -> None:
        for _ in range(25):
            await pacer.wait(0)

    start = time.monotonic()
    publishing = asyncio.create_task(publish())
    turns = 0
    while not publishing.done():
        await asyncio.sleep(0.01)
        turns += 1

    assert time.monotonic() - start >= 0.4
    assert turns > 5


async def test_waiting_can_be_cancelled() -> None:
    pacer = IOPubPacer()
    for _ in range(MESSAGES):
        await pacer.wait(0)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pacer.wait(0), 0.05)


# --------------------------------------------------------------------------------------------
# Long streams


def texts(message: Message) -> list[str]:
    return [part.content["text"] for part in parts(message)]


@given(
    text=st.lists(st.text(st.sampled_from("ab\r\U0001f600"), max_size=30)).map("\n".join),
    limit=st.integers(1, 20),
)
def test_long_text_is_cut_at_line_ends_and_loses_nothing(text: str, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # A limit small enough for short texts to meet every case of it.
        patch.setattr(pacing, "STREAM_CHUNK", limit)
        chunks = texts(stream("stderr", text))

    assert "".join(chunks) == text
    assert all(0 < len(chunk) <= limit for chunk in chunks)
    for chunk, following in pairwise(chunks):
        # Either the cut is at a line's end, or there was none to cut at.
        assert chunk.endswith("\n") or ("\n" not in chunk and len(chunk) == limit)
        # Nothing that would have fitted is left for the next message.
        first_line = following[: following.find("\n") + 1] or following
        assert len(chunk) + len(first_line) > limit


def test_megabytes_of_text_become_few_messages() -> None:
    text = "line\n" * 2_000_000

    chunks = texts(stream("stdout", text))

    assert "".join(chunks) == text
    # Jupyter Server takes 3,000 messages in 3 s, and so does whoever reads them.
    assert len(chunks) < 200
    assert max(map(len, chunks)) <= pacing.STREAM_CHUNK


def test_chunks_are_made_as_they_are_asked_for() -> None:
    # The kernel can be interrupted between two of them.
    chunks = parts(stream("stdout", "x" * (3 * pacing.STREAM_CHUNK)))

    assert len(next(chunks).content["text"]) == pacing.STREAM_CHUNK
    assert len(list(chunks)) == 2
