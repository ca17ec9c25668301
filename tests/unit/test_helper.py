"""The way to the helper in a session: installed once, called, and asked without hanging up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tci_kernel.remote import loader
from tci_kernel.remote.helper import HIDDEN, MODULE
from tci_kernel.session.direct.helper import Helper, hidden
from tests.support.faulty import (
    SESSION,
    Action,
    FaultyServer,
    answer,
    faulty_server,
    hang_up,
    http,
)
from tests.support.scripted import (
    OTHER,
    Held,
    client_of,
    codes,
    greeting,
    hold,
    others,
    replied,
    said,
    sessions_named,
)
from tests.support.waiting import PATIENCE, soon

# Seconds that somebody waits who is not patient.
MOMENT = 0.05


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    with faulty_server([greeting()]) as server:
        yield server


@pytest.fixture
def held() -> Iterator[Held]:
    with hold() as held:
        yield held


@asynccontextmanager
async def helper_at(service: FaultyServer, session_id: str | None = None) -> AsyncIterator[Helper]:
    """A helper that is not installed."""
    async with client_of(service) as client:
        helper = Helper(client, session_id)
        try:
            yield helper
        finally:
            helper.close()
        await soon(lambda: not others(), "the end of all tasks")


@asynccontextmanager
async def installed_at(service: FaultyServer, *actions: Action) -> AsyncIterator[Helper]:
    """A helper that is, and what the service then answers."""
    async with helper_at(service) as helper:
        service.play(greeting())
        await helper.install()
        assert helper.is_installed
        service.play(*actions)
        yield helper


def is_installed(helper: Helper) -> bool | None:
    """Whether it is installed; None if that was not tried, or may be tried again."""
    return helper.is_installed


def called(service: FaultyServer) -> list[Any]:
    """Name and arguments of each call."""
    begin, end = f"__import__({MODULE!r}).call('", f"'){HIDDEN}"
    return [json.loads(code.removeprefix(begin).removesuffix(end)) for code in codes(service)]


# -- installing ------------------------------------------------------------------------------------


async def test_it_is_sent_once_and_says_the_number_of_the_next_cell(service: FaultyServer) -> None:
    service.play(greeting(7))
    async with helper_at(service) as helper:
        assert is_installed(helper) is None
        for _ in range(3):
            await helper.install()
        assert (is_installed(helper), helper.number, helper.session_id) == (True, 7, SESSION)
    assert codes(service) == [loader.launch("helper", MODULE)]
    assert sessions_named(service) == [None]


async def test_it_goes_into_the_session_that_is_named(service: FaultyServer) -> None:
    service.play(greeting(session_id=OTHER))
    async with helper_at(service, OTHER) as helper:
        await helper.install()
    assert sessions_named(service) == [OTHER]


STRANGE = {
    "nothing": answer(),
    "text": answer(("stdout", "hello")),
    "an error": answer(("error", "NameError: exec")),
    "another kind": answer(said(kind="end", count=1)),
    "no kind": answer(said(count=1)),
    "no number": replied({}),
    "a word for a number": replied({"count": "1"}),
    "a list": replied([1]),
    "no bundle": answer(("display_data", "text")),
    "no object": answer(("display_data", {"application/vnd.tci-kernel+json": 7})),
}


@pytest.mark.parametrize("way", STRANGE)
async def test_a_strange_greeting_is_none_and_is_not_asked_for_again(
    service: FaultyServer, way: str
) -> None:
    service.play(STRANGE[way])
    async with helper_at(service) as helper:
        await helper.install()
        await helper.install()
        assert is_installed(helper) is False
        assert helper.session_id == SESSION
    assert len(service.executions) == 1


@pytest.mark.parametrize("action", [hang_up(), http(500, ""), http(200, b"\xff")])
async def test_where_it_may_have_come_it_is_not_sent_again(
    service: FaultyServer, action: Action
) -> None:
    service.play(action, greeting())
    async with helper_at(service) as helper:
        await helper.install()
        await helper.install()
        assert is_installed(helper) is False
    assert len(service.executions) == 1


@pytest.mark.parametrize("action", [http(429, "{}"), http(401, "{}"), http(402, "{}")])
async def test_where_it_surely_has_not_it_is_sent_with_the_next_cell(
    service: FaultyServer, action: Action
) -> None:
    service.play(action, greeting())
    async with helper_at(service) as helper:
        await helper.install()
        assert is_installed(helper) is None
        await helper.install()
        assert is_installed(helper)
    assert len(service.executions) == 2


async def test_an_answer_of_no_use_tells_the_session_all_the_same(service: FaultyServer) -> None:
    service.play(http(200, json.dumps({"data": {"session_id": OTHER}})))
    async with helper_at(service) as helper:
        await helper.install()
        assert helper.session_id == OTHER


@pytest.mark.parametrize("text", ['{"tci-kernel:origin": "/here"}\n', "odd\n", '{"a": 1}', "[]"])
async def test_plain_python_says_where_it_is(service: FaultyServer, text: str) -> None:
    service.play(answer(("stdout", text)))
    async with helper_at(service) as helper:
        await helper.install()
        assert is_installed(helper) is False
        assert helper.origin == ("/here" if "origin" in text else None)


def test_hidden_code_ends_in_the_mark_that_the_helper_knows() -> None:
    assert hidden("code") == f"code{HIDDEN}"


# -- calling ---------------------------------------------------------------------------------------


async def test_a_call_names_a_method_and_its_arguments_and_gives_its_reply(
    service: FaultyServer,
) -> None:
    async with installed_at(service, replied({"a": [1, None]})) as helper:
        assert await helper.call("method", text="'ü\"\n") == {"a": [1, None]}
    assert sessions_named(service) == [SESSION]
    (code,) = codes(service)
    assert code.startswith(f"__import__({MODULE!r}).call(")
    assert code.endswith(HIDDEN)


@pytest.mark.parametrize("action", [hang_up(), http(500, ""), answer(), answer(("error", "E: 1"))])
async def test_a_call_that_is_not_answered_is_none(service: FaultyServer, action: Action) -> None:
    async with installed_at(service, action) as helper:
        assert await helper.call("method") is None
        assert await helper.ask("method", PATIENCE) is None


# -- asking ----------------------------------------------------------------------------------------


async def test_a_question_is_answered_in_time(service: FaultyServer) -> None:
    async with installed_at(service, replied("first"), replied("second")) as helper:
        assert await helper.ask("complete", PATIENCE, code="a") == "first"
        assert await helper.ask("complete", PATIENCE, code="a") == "second"
    assert called(service) == [["complete", {"code": "a"}]] * 2


async def test_who_gives_up_does_not_hang_up(service: FaultyServer, held: Held) -> None:
    async with installed_at(service, held) as helper:
        assert await helper.ask("complete", MOMENT, code="a") is None
        await held.arrived()
        assert held.is_waited_for()


async def test_a_late_answer_is_given_to_the_same_question_asked_again(
    service: FaultyServer, held: Held
) -> None:
    async with installed_at(service, held) as helper:
        assert await helper.ask("complete", MOMENT, code="a") is None
        asked = asyncio.create_task(helper.ask("complete", PATIENCE, code="a"))
        await held.arrived()
        held.release(replied("late"))
        assert await asked == "late"
    assert called(service) == [["complete", {"code": "a"}]]


async def test_a_late_answer_that_has_come_is_given_once(service: FaultyServer, held: Held) -> None:
    async with installed_at(service, held, replied("fresh")) as helper:
        assert await helper.ask("complete", MOMENT, code="a") is None
        await held.arrived()
        held.release(replied("late"))
        await soon(lambda: not others(), "the late answer")
        assert await helper.ask("complete", PATIENCE, code="a") == "late"
        assert await helper.ask("complete", PATIENCE, code="a") == "fresh"


async def test_another_question_waits_its_turn(service: FaultyServer, held: Held) -> None:
    async with installed_at(service, held, replied("b's")) as helper:
        assert await helper.ask("complete", MOMENT, code="a") is None
        await held.arrived()
        assert await helper.ask("complete", MOMENT, code="b") is None
        assert len(service.executions) == 1
        asked = asyncio.create_task(helper.ask("complete", PATIENCE, code="b"))
        held.release(replied("a's"))
        assert await asked == "b's"
    assert [arguments["code"] for _, arguments in called(service)] == ["a", "b"]


async def test_the_same_question_asked_by_two_is_one_request(
    service: FaultyServer, held: Held
) -> None:
    async with installed_at(service, held) as helper:
        asked = [asyncio.create_task(helper.ask("complete", PATIENCE, code="a")) for _ in range(2)]
        await held.arrived()
        held.release(replied("one"))
        assert await asyncio.gather(*asked) == ["one", "one"]
    assert len(service.executions) == 1


async def test_two_questions_that_wait_for_a_third_are_asked_one_after_the_other(
    service: FaultyServer, held: Held
) -> None:
    with hold() as second:
        async with installed_at(service, held, second, replied("last")) as helper:
            assert await helper.ask("complete", MOMENT, code="a") is None
            await held.arrived()
            asked = [
                asyncio.create_task(helper.ask("complete", PATIENCE, code=code)) for code in "bc"
            ]
            await asyncio.sleep(0)
            held.release(replied("a's"))
            await second.arrived()
            assert await helper.ask("complete", MOMENT, code="d") is None
            assert len(service.executions) == 2
            second.release(replied("next"))
            await asyncio.wait(asked)
            assert sorted(task.result() for task in asked) == ["last", "next"]


@pytest.mark.parametrize("action", [http(500, ""), hang_up(), http(200, b"\xff")])
async def test_a_late_failure_is_none_and_the_next_question_is_asked(
    service: FaultyServer, held: Held, caplog: pytest.LogCaptureFixture, action: Action
) -> None:
    async with installed_at(service, held, replied("b's")) as helper:
        assert await helper.ask("complete", MOMENT, code="a") is None
        await held.arrived()
        held.release(action)
        assert await helper.ask("complete", PATIENCE, code="b") == "b's"
        await asyncio.sleep(0)
    assert caplog.messages == []


async def test_closed_it_drops_the_question(service: FaultyServer, held: Held) -> None:
    async with installed_at(service, held) as helper:
        assert await helper.ask("complete", MOMENT, code="a") is None
        await held.arrived()
        helper.close()
        await soon(lambda: not others(), "the end of the question")
        assert held.is_dropped()
        helper.close()


async def test_closed_it_has_who_waits_go_on_without_an_answer(
    service: FaultyServer, held: Held
) -> None:
    async with installed_at(service, held) as helper:
        asking = asyncio.create_task(helper.ask("complete", PATIENCE, code="a"))
        await held.arrived()
        helper.close()
        await asyncio.wait({asking})
        assert not asking.cancelled()
        assert asking.result() is None


async def test_who_is_cancelled_leaves_the_question_to_others(
    service: FaultyServer, held: Held
) -> None:
    async with installed_at(service, held) as helper:
        asking = asyncio.create_task(helper.ask("complete", PATIENCE, code="a"))
        await held.arrived()
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        assert held.is_waited_for()
        held.release(replied("late"))
        assert await helper.ask("complete", PATIENCE, code="a") == "late"
