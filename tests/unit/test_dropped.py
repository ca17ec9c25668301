"""What is learned of a service from exchanges that were dropped."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tci_kernel.session.live import dropped as module
from tci_kernel.session.live.dropped import DroppedExchanges


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which goes on where a test says so."""
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_one_that_runs_on_keeps_the_next_waiting(clock: list[float]) -> None:
    dropped = DroppedExchanges()
    dropped.note_dropped(99.9, 1.0)
    clock[0] = 101.0
    dropped.note_answered(100.0, 0.05)
    assert dropped.run_on


def test_what_the_next_takes_itself_says_nothing(clock: list[float]) -> None:
    dropped = DroppedExchanges()
    dropped.note_dropped(99.9, 1.0)
    clock[0] = 101.2
    dropped.note_answered(100.0, 1.1)
    assert not dropped.run_on


def test_several_end_one_after_another(clock: list[float]) -> None:
    dropped = DroppedExchanges()
    dropped.note_dropped(99.0, 1.1)
    dropped.note_dropped(100.0, 1.0)
    clock[0] = 100.8
    dropped.note_answered(100.0, 0.0)
    assert dropped.run_on


def test_a_later_one_that_ends_at_once_corrects_that(clock: list[float]) -> None:
    dropped = DroppedExchanges()
    dropped.note_dropped(99.9, 1.0)
    clock[0] = 101.0
    dropped.note_answered(100.0, 0.0)
    dropped.note_answered(100.9, 0.0)  # before which none was dropped
    assert dropped.run_on
    dropped.note_dropped(101.0, 1.0)
    clock[0] = 101.2
    dropped.note_answered(101.1, 0.0)
    assert not dropped.run_on


def test_one_that_was_about_to_end_tells_nothing(clock: list[float]) -> None:
    dropped = DroppedExchanges()
    dropped.note_dropped(99.1, 1.0)
    clock[0] = 100.5
    dropped.note_answered(100.0, 0.0)
    assert not dropped.run_on
