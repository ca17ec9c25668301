"""Errors are parts that a user reads: what happened, what became of the code, what to do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tci_kernel.client.failures import RULES, STATUSES, failure, status_failure
from tci_kernel.client.retry import Backoff
from tci_kernel.core import errors
from tci_kernel.core.errors import (
    CodeFailed,
    Interrupted,
    MissingKey,
    NoSession,
    RemoteCallFailed,
    RequestRejected,
    SessionChanged,
    SessionExpired,
    TCIError,
)
from tci_kernel.core.messages import error_of

# JupyterLab breaks longer lines in the middle of a word.
LIMIT = 90

ID = "ses_" + "x" * 40
ENDED = datetime(2025, 12, 8, 7, 11, tzinfo=UTC)
REASON = "the service says so, at some length, in words of its own, as services tend to do " * 3


def classes(root: type[TCIError] = TCIError) -> Iterator[type[TCIError]]:
    yield root
    for each in root.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from classes(each)


# What each class is made of, where that is not one text.
ARGUMENTS: dict[type[TCIError], tuple[Any, ...]] = {
    CodeFailed: ("ValueError", "no number", ["Traceback", "ValueError: no number"]),
    MissingKey: (),
    NoSession: (),
    RemoteCallFailed: ("no_such_file", "There is no file 'a'."),
    SessionChanged: (ID, ID),
    SessionExpired: (ID, ENDED, TCIError("gone"), 3),
}


def made(kind: type[TCIError]) -> TCIError:
    return kind(*ARGUMENTS.get(kind, ("What happened.",)))


ALL = sorted(set(classes()), key=lambda kind: kind.__name__)


def test_all_are_listed_and_described() -> None:
    assert {kind.__name__ for kind in ALL} == set(errors.__all__)
    assert errors.__doc__ is not None
    for kind in ALL:
        assert kind.__name__ in errors.__doc__
        assert inspect.getdoc(kind)


@pytest.mark.parametrize("kind", ALL)
def test_each_can_be_made_and_begins_with_what_happened(kind: type[TCIError]) -> None:
    error = made(kind)
    assert error.what
    assert str(error).startswith(error.what)
    assert error.args[0] == error.what
    assert error.ename == ("KeyboardInterrupt" if kind is Interrupted else kind.__name__)
    assert (error.sent_again, error.retry_after, error.session_id) == (False, None, None)


def test_the_text_is_what_happened_and_below_it_the_rest() -> None:
    assert str(TCIError("a")) == "a"
    assert str(TCIError("a", fate="b.")) == "a\nb."
    assert str(TCIError("a", advice="c.")) == "a\nc."
    assert str(TCIError("a", fate="b.", advice="c.")) == "a\nb. c."


def test_what_is_added_later_is_read_too() -> None:
    error = TCIError("a", fate="b.", advice="c.")
    error.fate += " The session is kept."
    assert str(error) == "a\nb. The session is kept. c."


def test_an_expiry_says_when_only_if_that_is_known() -> None:
    assert (
        "to expire at 2025-12-08 07:11:00 UTC" in SessionExpired(ID, ENDED, TCIError("x"), 0).what
    )
    assert "to expire" not in SessionExpired(ID, None, TCIError("x"), 0).what


@pytest.mark.parametrize(
    ("replayable", "said"), [(0, "to start afresh"), (1, "cell that"), (7, "7 cells that")]
)
def test_an_expiry_says_first_what_comes_first(replayable: int, said: str) -> None:
    advice = SessionExpired(ID, None, TCIError("x"), replayable).advice
    assert said in advice
    assert ("'%tci replay'" in advice) is (replayable > 0)
    if replayable:  # whoever runs the cell again first has another session to replay into
        assert advice.index("%tci replay") < advice.index("run this cell again")


def test_an_expiry_says_whether_the_code_ran() -> None:
    said = TCIError("x")
    assert "the code did not run" in str(SessionExpired(ID, None, said, 0))
    said.may_have_run = True
    expired = SessionExpired(ID, None, said, 0)
    assert "the code may have run" in str(expired)
    assert expired.may_have_run


def test_a_rejected_request_has_the_fields_of_its_answer() -> None:
    error = RequestRejected("no", status=404, param="a", code="b", retry_after=3)
    assert (error.status, error.param, error.code, error.retry_after) == (404, "a", "b", 3)


# -- the lines that are published ------------------------------------------------------------------


def not_waited_for() -> TCIError:
    error = status_failure(429, REASON, {"retry-after": "100000"})
    Backoff(60.0).pause(error)
    return error


def tried_in_vain() -> TCIError:
    backoff = Backoff(10.0)
    while backoff.pause(error := failure("connect", REASON)) is not None:
        pass
    return error


PUBLISHED: dict[str, Callable[[], TCIError]] = {
    **{name: lambda name=name: failure(name, REASON) for name in RULES},  # type: ignore[misc]
    **{
        str(status): lambda status=status: status_failure(status, REASON, {})  # type: ignore[misc]
        for status in (*STATUSES, 301, 418, 599)
    },
    **{kind.__name__: lambda kind=kind: made(kind) for kind in ALL},  # type: ignore[misc]
    "a wait that is too long": not_waited_for,
    "tried in vain": tried_in_vain,
    "expired": lambda: SessionExpired(ID, ENDED, status_failure(404, REASON, {}), 12),
    "interrupted": lambda: Interrupted("stopped waiting.", fate=REASON),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_lines_fit_where_they_are_shown(name: str) -> None:
    content = error_of(PUBLISHED[name]()).content
    for shown in (content["evalue"], *content["traceback"]):
        assert max(map(len, shown.splitlines())) < LIMIT
    assert content["traceback"] == [f"{content['ename']}: {content['evalue']}"]


@pytest.mark.parametrize(
    "error",
    [
        status_failure(500, "\x1b[2Jgone\x07", {}),
        RemoteCallFailed("exception", "\x1b[2Jgone\x07"),
        SessionChanged("old", "\x1b[2Jgone\x07"),
        SessionExpired("\x1b[2Jgone\x07", None, failure("lost", "\x1b[2Jgone\x07"), 0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_terminal_would_obey_is_shown_with_escapes(error: TCIError) -> None:
    assert "\\x1b[2Jgone\\x07" in str(error)
    assert "\x1b" not in str(error) + str(error_of(error).content)
