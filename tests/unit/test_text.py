"""How durations, sizes, moments and foreign text read, and that no line is too long."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.core.text import WIDTH, duration, moment, printable, size, wrapped

# Words that fit, in lines of their own; the characters are those that neither break nor end one.
WORDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30)
LINES = st.lists(WORDS, max_size=40).map(" ".join)
TEXTS = st.lists(LINES, max_size=5).map("\n".join)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.99, "0 s"),
        (42, "42 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (7800, "2 h 10 min"),
        (86_400, "1 d 0 h"),
        (30 * 86_400 + 3600, "30 d 1 h"),
        (1e308, "more than 99999 d"),  # from a Retry-After
    ],
)
def test_a_duration_reads_as_people_write_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(0, 10**9))
def test_a_duration_has_at_most_two_units_and_is_never_more_than_it_was(seconds: float) -> None:
    text = duration(seconds)
    assert re.fullmatch(r"\d+ (s|min \d+ s|h \d+ min|d \d+ h)", text)
    units = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    words = text.split()
    said = sum(int(n) * units[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert said <= seconds < said + units[words[-1]]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (17, "17 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (4_000_000, "4.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (2 * 10**15, "2000000.0 GB"),
    ],
)
def test_a_size_reads_as_people_write_it(count: int, text: str) -> None:
    assert size(count) == text


def test_a_moment_says_how_far_it_is() -> None:
    now = datetime.now(UTC)
    assert moment(None) == "not known"
    assert "(in 2 h " in moment(now + timedelta(hours=3) - timedelta(seconds=5))
    assert "(1 h 0 min ago)" in moment(now - timedelta(hours=1))
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(", moment(now))


@given(st.text())
def test_printable_text_prints_and_says_the_same(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


def test_what_does_not_print_is_escaped() -> None:
    assert printable("a\x1b[31mb\nc\u202e") == "a\\x1b[31mb\\nc\\u202e"


@given(text=TEXTS, indent=st.integers(0, 40))
def test_wrapped_lines_fit(text: str, indent: int) -> None:
    lines = wrapped(text, indent=indent).split("\n")
    assert len(lines[0]) + indent <= WIDTH
    assert all(len(line) <= WIDTH for line in lines)


@given(text=TEXTS, indent=st.integers(0, 40))
def test_wrapping_loses_no_word_and_no_line(text: str, indent: int) -> None:
    result = wrapped(text, indent=indent)
    assert result.split() == text.split()
    assert result.count("\n") >= text.count("\n")
    assert wrapped(result, indent=indent) == result


@given(st.text(st.characters(categories=["L"]), min_size=WIDTH + 1, max_size=200))
def test_a_word_that_is_too_long_stays_whole(word: str) -> None:
    assert word in wrapped(f"see {word} there").split()


def test_short_lines_are_left_as_they_are() -> None:
    text = "  indented\n\n\ttab  two  spaces "
    assert wrapped(text) == text
