"""When the interpreter is asked though nothing runs there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tci_kernel.core.messages import Message
from tci_kernel.session.live import watch
from tci_kernel.session.live.watch import (
    ASK_INTERVAL,
    COMMS_FOR,
    LONG_WAIT,
    LONGEST_PAUSE,
    QUICK_FOR,
    SHORTEST_PAUSE,
    SILENT_AFTER,
    WAIT,
    Watch,
)


class Clock:
    """The time, which goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def opened(comm_id: str) -> Message:
    return Message("comm_open", {"comm_id": comm_id})


def test_where_nothing_goes_on_nobody_asks(clock: Clock) -> None:
    watched = Watch()
    assert watched.pause(runs_on=False) is None
    assert not watched.is_to_be_asked()


def test_what_lives_on_is_asked_for_at_once_and_then_ever_more_seldom(clock: Clock) -> None:
    watched = Watch()
    watched.note_alive(1)
    assert watched.pause(runs_on=False) == 0
    clock.now += QUICK_FOR + 1
    pauses = [watched.pause(runs_on=False) or 0 for _ in range(20)]
    assert pauses[0] == SHORTEST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    watched.note_news()
    assert watched.pause(runs_on=False) == 0


def test_what_lives_on_is_asked_for_however_long_it_is_silent(clock: Clock) -> None:
    watched = Watch()
    watched.note_alive(2)
    clock.now += 100_000
    assert watched.pause(runs_on=False) is not None
    watched.note_alive(None)
    assert watched.alive == 2
    watched.note_alive(0)
    assert watched.pause(runs_on=False) is None


def test_open_comms_are_asked_for_until_they_have_long_been_silent(clock: Clock) -> None:
    watched = Watch()
    watched.note_comm(opened("a"))
    assert watched.pause(runs_on=False) == 0
    clock.now += COMMS_FOR + 1
    assert watched.pause(runs_on=False) is None
    watched.note_news()
    assert watched.pause(runs_on=False) == 0


def test_a_comm_counts_until_it_is_closed(clock: Clock) -> None:
    watched = Watch()
    for name in "ab":
        watched.note_comm(opened(name))
    watched.note_comm(Message("comm_msg", {"comm_id": "c"}))
    watched.note_comm(Message("comm_close", {"comm_id": "a"}))
    assert watched.comms == {"b"}
    watched.note_comm(Message("comm_close", {"comm_id": "a"}))
    watched.note_comm(Message("comm_close", {"comm_id": "b"}))
    assert watched.pause(runs_on=False) is None


def test_how_much_lives_on_is_asked_at_intervals(clock: Clock) -> None:
    watched = Watch()
    watched.note_alive(1)
    assert watched.is_to_be_asked()
    assert not watched.is_to_be_asked()
    clock.now += ASK_INTERVAL
    assert watched.is_to_be_asked()


def test_a_silent_cell_is_waited_for_longer_at_a_time(clock: Clock) -> None:
    watched = Watch()
    assert watched.wait(is_starting=False) == WAIT
    assert watched.wait(is_starting=True) == LONG_WAIT
    clock.now += SILENT_AFTER + 1
    assert watched.wait(is_starting=False) == LONG_WAIT
    watched.note_news()
    assert watched.wait(is_starting=False) == WAIT


def test_where_exchanges_run_on_they_are_made_at_intervals() -> None:
    watched = Watch()
    watched.note_alive(1)
    assert watched.pause(runs_on=True) == watch.POLLING_PAUSE
