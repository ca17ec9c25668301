"""How long is waited before a request is sent again, and why it is not sent once more."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.client.failures import RULES, STATUSES, Again, failure, status_failure
from tci_kernel.client.retry import FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_ASKED, Backoff
from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import error_of
from tci_kernel.core.text import duration

LIMITS = st.floats(0.0, 10_000.0)
ASKED = st.floats(0.0, 10_000.0)


def unconnected() -> TCIError:
    return failure("connect", "No connection.")


def limited(after: float | None = None) -> TCIError:
    """What a service says that has no room; maybe with the seconds after which it has."""
    headers = {} if after is None else {"retry-after": repr(after)}
    return status_failure(429, "slow down", headers)


@given(limit=LIMITS, asked=st.lists(st.none() | ASKED, max_size=60))
def test_all_pauses_together_keep_to_the_limit(limit: float, asked: list[float | None]) -> None:
    backoff = Backoff(limit)
    total = 0.0
    for after in asked:
        pause = backoff.pause(limited(after))
        if pause is not None:
            assert pause >= 0
            total += pause
    assert total <= limit or math.isclose(total, limit)


@given(limit=LIMITS, after=ASKED)
def test_a_service_that_says_how_long_is_obeyed(limit: float, after: float) -> None:
    pause = Backoff(limit).pause(limited(after))
    if after > limit or limit == 0:
        assert pause is None
    else:
        assert pause is not None
        longest = max(after * 1.1, SHORTEST_ASKED)
        assert after <= pause <= longest or math.isclose(pause, longest)


@pytest.mark.parametrize("limit", [5.0, 60.0])
def test_a_service_that_asks_for_no_pause_is_asked_again_few_times(limit: float) -> None:
    backoff = Backoff(limit)
    pauses = []
    while (pause := backoff.pause(error := limited(0.0))) is not None:
        pauses.append(pause)
        assert len(pauses) < 100
    assert math.isclose(sum(pauses), limit)
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert "It was sent again for as long as" in error.fate


@given(limit=LIMITS, after=ASKED)
def test_a_wait_that_is_too_long_says_how_long_it_is(limit: float, after: float) -> None:
    error = limited(after)
    is_too_long = Backoff(limit).pause(error) is None and after > limit
    told = f"The service asks to wait for {duration(math.ceil(after))}, which is longer than"
    assert (told in error.fate) is is_too_long
    assert (f"RemoteSession.retry_for ({limit:g} s) leaves." in error.fate) is is_too_long


def test_the_text_of_a_wait_that_is_too_long() -> None:
    error = limited(3600)
    assert Backoff(60.0).pause(error) is None
    assert str(error) == (
        "HTTP 429 (rate limited): slow down\n"
        "The code did not run. The service asks to wait for 1 h 0 min, which is longer than "
        "RemoteSession.retry_for (60 s) leaves. Wait a little, then try again."
    )
    assert all(len(line) < 90 for line in error_of(error).content["traceback"][0].splitlines())


def test_what_is_left_counts_and_not_the_whole() -> None:
    backoff = Backoff(10.0)
    assert backoff.pause(limited(8.0)) is not None
    error = limited(8.0)
    assert backoff.pause(error) is None
    assert "wait for 8 s" in error.fate
    assert "(10 s)" in error.fate


def test_pauses_that_are_not_asked_for_double_up_to_a_longest() -> None:
    backoff = Backoff(math.inf)
    whole = FIRST_PAUSE
    for _ in range(12):
        pause = backoff.pause(unconnected())
        assert pause is not None
        assert whole / 2 <= pause <= whole
        whole = min(2 * whole, LONGEST_PAUSE)
    assert whole == LONGEST_PAUSE


def test_pauses_differ_so_that_clients_do_not_come_back_together() -> None:
    for make in (unconnected, lambda: limited(5.0)):
        assert len({Backoff(60.0).pause(make()) for _ in range(20)}) > 1


def test_what_was_tried_in_vain_says_for_how_long() -> None:
    backoff = Backoff(20.0)
    for _ in range(100):
        error = unconnected()
        if backoff.pause(error) is None:
            break
        assert "It was sent again" not in str(error)
    assert "It was sent again for as long as RemoteSession.retry_for (20 s) allows." in str(error)


def test_who_wants_no_second_attempt_reads_nothing_of_it() -> None:
    error = unconnected()
    assert Backoff(0.0).pause(error) is None
    assert error.fate == "The code did not run."


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("after", [None, 1.0])
def test_a_status_is_sent_again_as_its_row_says(status: int, after: float | None) -> None:
    headers = {} if after is None else {"retry-after": str(after)}
    error = status_failure(status, "because", headers)
    fate = error.fate
    again = STATUSES[status].again
    expected = again is Again.ALWAYS or (again is Again.IF_TOLD and after is not None)
    assert error.sent_again is expected
    assert Backoff(60.0).pause(error) is not None
    assert error.fate == fate
    assert not (expected and error.may_have_run)


@pytest.mark.parametrize("name", RULES)
def test_a_failure_is_sent_again_as_its_row_says(name: str) -> None:
    error = failure(name, "It failed.")
    assert error.sent_again is (RULES[name].again is Again.ALWAYS)
    assert not (error.sent_again and error.may_have_run)


@given(limit=LIMITS, took=st.lists(st.floats(0.0, 1_000.0), max_size=60))
def test_what_attempts_took_counts_where_it_is_told(limit: float, took: list[float]) -> None:
    backoff = Backoff(limit)
    total = 0.0
    for seconds in took:
        pause = backoff.pause(limited())
        if pause is None:
            break
        total += pause
        assert total <= limit or math.isclose(total, limit)
        backoff.spend(seconds)
        total += seconds
