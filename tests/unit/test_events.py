"""What scripts see of messages, and what of it is kept in the end."""

from __future__ import annotations

from tci_kernel.api.events import (
    Clear,
    Collector,
    Display,
    Error,
    Event,
    Reply,
    Result,
    Stream,
    Value,
    event_of,
)
from tci_kernel.core.messages import (
    Message,
    clear_output,
    display,
    error,
    reply,
    result,
    stream,
)

FAILURE = error("ValueError", "no", ["Traceback", "\x1b[31mValueError\x1b[39m: no"])
FAILED = Error("ValueError", "no", ["Traceback", "\x1b[31mValueError\x1b[39m: no"])


def shown(text: str, display_id: str | None = None, *, update: bool = False) -> Event:
    transient = None if display_id is None else {"display_id": display_id}
    return event_of(display({"text/plain": text}, transient=transient, update=update))


def collected(*events: Event) -> Result:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.result()


def test_each_kind_of_message_is_an_event() -> None:
    assert event_of(stream("stderr", "x")) == Stream("stderr", "x")
    assert event_of(result({"text/plain": "42"}, 3)) == Value({"text/plain": "42"})
    assert event_of(clear_output(wait=True)) == Clear(wait=True)
    assert event_of(FAILURE) == FAILED
    assert event_of(reply(3)) == Reply(3)
    assert event_of(reply(3, FAILURE)) == Reply(3, FAILED)
    assert shown("a", "x", update=True) == Display({"text/plain": "a"}, {}, "x", is_update=True)
    comm = Message("comm_msg", {"comm_id": "1", "data": {}})
    assert event_of(comm) is comm


def test_a_reply_that_says_little_is_a_failure_all_the_same() -> None:
    aborted = event_of(Message("execute_reply", {"status": "aborted", "execution_count": None}))

    assert aborted == Reply(0, Error("Aborted", "the code did not run", []))


def test_texts_are_plain() -> None:
    assert FAILED.text == "Traceback\nValueError: no"
    assert (Value({"text/plain": "42"}).text, Value({"image/png": ""}).text) == ("42", "")


def test_a_result_has_all_of_it() -> None:
    found = collected(
        Stream("stdout", "a"),
        Stream("stderr", "b"),
        Stream("stdout", "c"),
        shown("d"),
        Value({"text/plain": "42"}),
        Reply(3),
    )

    assert (found.stdout, found.stderr, found.number) == ("ac", "b", 3)
    assert [one.text for one in found.displays] == ["d"]
    assert (found.value, found.error) == (Value({"text/plain": "42"}), None)


def test_a_result_has_what_a_notebook_would_keep() -> None:
    assert collected(Stream("stdout", "a"), Clear(wait=False), Reply(1)).stdout == ""
    assert collected(Stream("stdout", "a"), Clear(wait=True), Reply(1)).stdout == "a"
    wiped = collected(Stream("stdout", "a"), Clear(wait=True), Stream("stdout", "b"), Reply(1))
    assert wiped.stdout == "b"
    updated = collected(shown("a", "x"), shown("b"), shown("c", "x", update=True), Reply(1))
    assert [one.text for one in updated.displays] == ["c", "b"]
    assert not any(one.is_update for one in updated.displays)


def test_an_error_that_is_not_the_code_s_does_not_fail_it() -> None:
    assert collected(FAILED, Reply(1)).error is None
    assert collected(FAILED, Reply(1, FAILED)).error == FAILED
