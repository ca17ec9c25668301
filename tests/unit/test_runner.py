"""The direct way of running cells, by the words of the seam. See `Runner`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tci_kernel.core.cell import Cell, File
from tci_kernel.core.errors import AuthenticationFailed, Interrupted
from tci_kernel.core.messages import Message, error, no_values, result, stream
from tci_kernel.remote.helper import HIDDEN
from tci_kernel.session.direct import runner
from tci_kernel.session.direct.runner import DirectRunner
from tci_kernel.session.state import SessionState
from tests.support.faulty import (
    SESSION,
    Action,
    FaultyServer,
    answer,
    faulty_server,
    hang_up,
    http,
    listing,
)
from tests.support.frontends import Person
from tests.support.scripted import (
    OTHER,
    client_of,
    codes,
    ended,
    greeting,
    hold,
    others,
    replied,
    run,
    session_at,
    sessions_named,
)
from tests.support.waiting import soon


@dataclass
class Options:
    """What a user has set. See `RunnerOptions`."""

    retry_for: float = 60.0
    cell_timeout: float | None = None
    show_progress: bool = True
    use_helper: bool = True
    transfer_size: int = 4_000_000


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    with faulty_server([]) as server:
        yield server


@dataclass
class Made:
    """A runner and the session that it runs cells in."""

    runner: DirectRunner
    state: SessionState

    async def run(self, code: str = "pass", **options: Any) -> list[Message]:
        return [message async for message in self.runner.run(Cell(code, **options))]

    async def ask(self, kind: str, **content: Any) -> Message | None:
        return await self.runner.request(Message(f"{kind}_request", content))


@asynccontextmanager
async def runner_at(service: FaultyServer, **options: Any) -> AsyncIterator[Made]:
    async with client_of(service) as client:
        state = SessionState(client)
        made = Made(DirectRunner(client, state, Options(**options), stops_code=False), state)
        try:
            yield made
        finally:
            await made.runner.aclose()
    assert others() == set()


# -- messages --------------------------------------------------------------------------------------


async def test_messages_come_in_order_and_the_reply_is_the_last(service: FaultyServer) -> None:
    service.play(
        answer(
            ("stdout", "one"),
            ("display_data", {"text/plain": "two"}),
            ("stderr", "three"),
            ("execute_result", {"text/plain": "4"}),
        )
    )
    async with runner_at(service, use_helper=False) as made:
        messages = await made.run(number=4)
    assert [message.type for message in messages] == [
        *("stream", "display_data", "stream", "execute_result", "execute_reply"),
    ]
    assert messages[3] == result({"text/plain": "4"}, 4)
    assert messages[4].content == {
        "status": "ok",
        "execution_count": 4,
        "payload": [],
        "user_expressions": {},
    }


async def test_a_cell_that_fails_says_the_same_in_its_error_and_its_reply(
    service: FaultyServer,
) -> None:
    service.play(answer(("error", "NameError: name 'x' is not defined")))
    async with runner_at(service, use_helper=False) as made:
        failure, reply = await made.run()
    assert failure.type == "error"
    assert reply.content["status"] == "error"
    assert {name: reply.content[name] for name in failure.content} == failure.content


async def test_one_request_carries_code_session_and_files(service: FaultyServer) -> None:
    service.play(answer())
    async with runner_at(service, use_helper=False) as made:
        await made.run("first", files=[File("a.txt", "text")])
        await made.run("second")
    first, second = (request.json() for request in service.executions)
    assert first["files"] == [{"name": "a.txt", "encoding": "string", "content": "text"}]
    assert "session_id" not in first
    assert second == {"language": "python", "code": "second", "session_id": SESSION}


async def test_what_was_refused_is_raised(service: FaultyServer) -> None:
    service.play(http(401, "{}"))
    async with runner_at(service, use_helper=False) as made:
        with pytest.raises(AuthenticationFailed):
            await made.run()
        assert not made.runner.interrupt()


@pytest.mark.parametrize("code", ["", " \n\t"])
async def test_a_cell_without_code_sends_none(service: FaultyServer, code: str) -> None:
    async with runner_at(service, use_helper=False) as made:
        (reply,) = await made.run(code, number=3, user_expressions={"a": "1"})
    assert reply.content["status"] == "ok"
    assert reply.content["execution_count"] == 3
    assert service.requests == []


async def test_what_waits_is_shown_to_who_sits_in_front_alone(service: FaultyServer) -> None:
    busy = http(429, "{}", Retry_After_Ms="1")
    async with runner_at(service, use_helper=False) as made:
        for options, kinds in (
            ({"frontend": Person()}, ["display_data", "clear_output", "execute_reply"]),
            ({"frontend": Person(takes_questions=False)}, ["execute_reply"]),
            ({"frontend": Person(), "hidden": True}, ["execute_reply"]),
            ({}, ["execute_reply"]),
        ):
            service.play(busy, answer())
            assert [message.type for message in await made.run(**options)] == kinds


# -- numbers ---------------------------------------------------------------------------------------


async def test_a_number_that_agrees_costs_no_request(service: FaultyServer) -> None:
    service.play(greeting(), ended(1), ended(2))
    async with runner_at(service) as made:
        assert (await made.run("a", number=1))[-1].content["execution_count"] == 1
        assert (await made.run("b", number=2))[-1].content["execution_count"] == 2
    assert codes(service)[1:] == ["a", "b"]


async def test_a_number_that_does_not_is_set_first(service: FaultyServer) -> None:
    service.play(greeting(9), replied(None), ended(3))
    async with runner_at(service) as made:
        assert (await made.run("a", number=3))[-1].content["execution_count"] == 3
    assert '"set_count", {"count": 3}' in codes(service)[1]
    assert codes(service)[2:] == ["a"]


async def test_the_sessions_word_on_the_number_counts(service: FaultyServer) -> None:
    service.play(greeting(), ended(5, ("execute_result", {"text/plain": "x"})))
    async with runner_at(service) as made:
        messages = await made.run(number=1)
    assert messages[-1].content["execution_count"] == 5


async def test_a_hidden_cell_has_no_number_and_leaves_no_trace(service: FaultyServer) -> None:
    service.play(greeting(), ended(1), answer(("stdout", "seen")), ended(2))
    async with runner_at(service) as made:
        await made.run("a", number=1)
        messages = await made.run("secret", number=7, hidden=True)
        await made.run("b", number=2)
        assert [cell.code for cell in made.state.replayable()] == ["a", "b"]
        assert made.state.cells_run == 2
    assert messages[0] == stream("stdout", "seen")
    assert codes(service)[1:] == ["a", f"secret{HIDDEN}", "b"]


async def test_without_the_helper_a_hidden_cell_is_sent_as_it_stands(service: FaultyServer) -> None:
    service.play(answer())
    async with runner_at(service, use_helper=False) as made:
        await made.run("secret", hidden=True)
        assert made.state.replayable() == []
    assert codes(service) == ["secret"]


# -- the values of expressions ---------------------------------------------------------------------


async def test_expressions_are_asked_for_once_after_a_cell_that_succeeds(
    service: FaultyServer,
) -> None:
    values = {"a": {"status": "ok", "data": {"text/plain": "1"}, "metadata": {}}}
    service.play(greeting(), ended(1), replied(values))
    async with runner_at(service) as made:
        messages = await made.run(user_expressions={"a": "x"})
    assert messages[-1].content["user_expressions"] == values
    assert '"user_expressions", {"expressions": {"a": "x"}}' in codes(service)[2]


async def test_expressions_are_not_asked_for_after_a_failure(service: FaultyServer) -> None:
    service.play(greeting(), ended(1, ("error", "E: 1"), failed=True), replied({}))
    async with runner_at(service) as made:
        messages = await made.run(user_expressions={"a": "x"})
    assert messages[-1].content["user_expressions"] == {}
    assert len(service.executions) == 2


@pytest.mark.parametrize("said", [replied([1]), http(500, ""), hang_up(), answer()])
async def test_expressions_that_nobody_answers_say_so(service: FaultyServer, said: Action) -> None:
    service.play(greeting(), ended(1), said)
    async with runner_at(service) as made:
        messages = await made.run(user_expressions={"a": "x"})
    assert messages[-1].content["status"] == "ok"
    assert messages[-1].content["user_expressions"] == no_values(["a"])


# -- requests beside the cells ---------------------------------------------------------------------

COMPLETED = {"matches": ["print"], "cursor_start": 0, "cursor_end": 3}
INSPECTED = {"found": True, "data": {"text/plain": "Prints."}}

QUESTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "complete": ({"code": "pri", "cursor_pos": 3}, COMPLETED),
    "inspect": ({"code": "print", "cursor_pos": 3, "detail_level": 0}, INSPECTED),
}


@pytest.mark.parametrize("kind", QUESTIONS)
async def test_a_question_is_the_helpers_to_answer(service: FaultyServer, kind: str) -> None:
    asked, content = QUESTIONS[kind]
    service.play(greeting(), ended(1), replied(content))
    async with runner_at(service) as made:
        await made.run()
        assert await made.ask(kind, **asked) == Message(
            f"{kind}_reply", {"status": "ok", "metadata": {}, **content}
        )
    assert json.dumps([kind, asked]) in codes(service)[2]
    assert codes(service)[2].endswith(HIDDEN)


@pytest.mark.parametrize("kind", QUESTIONS)
async def test_a_question_finds_nobody_where_there_is_no_helper(
    service: FaultyServer, kind: str
) -> None:
    service.play(answer())
    for options in ({}, {"use_helper": False}):
        async with runner_at(service, **options) as made:
            assert await made.ask(kind, **QUESTIONS[kind][0]) is None
            assert service.requests == []
            assert made.state.id is None
            await made.run()
            service.requests.clear()
            assert await made.ask(kind, **QUESTIONS[kind][0]) is None
        assert service.requests == []


@pytest.mark.parametrize("kind", QUESTIONS)
@pytest.mark.parametrize(
    "said", [replied(None), replied([]), replied({"matches": 1, "data": 1}), http(500, "")]
)
async def test_an_odd_answer_is_none(service: FaultyServer, kind: str, said: Action) -> None:
    service.play(greeting(), ended(1), said)
    async with runner_at(service) as made:
        await made.run()
        assert await made.ask(kind, **QUESTIONS[kind][0]) is None


async def test_beside_a_running_cell_nothing_is_asked(service: FaultyServer) -> None:
    with hold() as held:
        service.play(greeting(), held)
        async with runner_at(service) as made:
            running = asyncio.create_task(made.run())
            await held.arrived()
            assert await made.ask("complete", code="a", cursor_pos=1) is None
            held.release(ended(1))
            assert (await running)[-1].content["status"] == "ok"
    assert len(service.executions) == 2


async def test_an_answer_that_comes_late_is_not_given_after_another_cell(
    service: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"code": "d.", "cursor_pos": 2}
    limits = {"complete_request": ("complete", 0.05, {"matches": list})}
    monkeypatch.setattr(runner, "_QUESTIONS", limits)
    fresh = replied({"matches": ["d.columns"], "cursor_start": 2, "cursor_end": 2})
    with hold() as held:
        service.play(greeting(), ended(1), held, ended(2), fresh)
        async with runner_at(service) as made:
            await made.run("import pandas", number=1)
            assert await made.ask("complete", **content) is None
            await held.arrived()
            held.release(replied({"matches": [], "cursor_start": 2, "cursor_end": 2}))
            await soon(lambda: not others(), "the late answer")
            await made.run("d = pandas.DataFrame()", number=2)
            monkeypatch.setattr(runner, "_QUESTIONS", {"complete_request": ("complete", 60.0, {})})
            reply = await made.ask("complete", **content)
            assert reply is not None
            assert reply.content["matches"] == ["d.columns"]


async def test_debugger_and_comms_are_answered_without_a_request(service: FaultyServer) -> None:
    async with runner_at(service) as made:
        debug = await made.ask("debug", seq=7, command="initialize")
        assert debug is not None
        assert debug.type == "debug_reply"
        assert (debug.content["success"], debug.content["request_seq"]) == (False, 7)
        comms = await made.ask("comm_info")
        assert comms == Message("comm_info_reply", {"status": "ok", "comms": {}})
        for kind in ("comm_open", "comm_msg", "comm_close"):
            assert await made.runner.request(Message(kind, {"comm_id": "a", "data": {}})) is None
        assert await made.ask("unheard_of") is None
    assert service.requests == []


# -- interrupts ------------------------------------------------------------------------------------


async def test_an_interrupt_when_nothing_runs_stops_nothing(service: FaultyServer) -> None:
    service.play(answer())
    async with runner_at(service, use_helper=False) as made:
        assert not made.runner.interrupt()
        await made.run()
        assert not made.runner.interrupt()
        assert (await made.run())[-1].content["status"] == "ok"


async def test_two_interrupts_are_one(service: FaultyServer) -> None:
    with hold() as held:
        service.play(held, answer())
        async with runner_at(service, use_helper=False) as made:
            running = asyncio.create_task(made.run())
            await held.arrived()
            assert made.runner.interrupt()
            assert made.runner.interrupt()
            with pytest.raises(Interrupted):
                await running
            assert held.is_dropped()
            assert (await made.run())[-1].content["status"] == "ok"
    assert len(service.executions) == 2


# -- the session -----------------------------------------------------------------------------------


def with_errors(*said: str, session_id: str = SESSION) -> Action:
    data = {"session_id": session_id, "outputs": [{"type": "stdout", "data": "ran"}]}
    return http(200, json.dumps({"data": data, "errors": list(said)}))


async def test_an_answer_with_errors_keeps_its_session(service: FaultyServer) -> None:
    service.play(answer(), with_errors("odd"), answer())
    async with runner_at(service, use_helper=False) as made:
        await made.run("a")
        shown, failure, reply = await made.run("b")
        assert made.state.id == SESSION
        await made.run("c")
    assert shown == stream("stdout", "ran")
    assert failure == error("ServiceError", "odd", ["ServiceError: odd"])
    assert reply.content["status"] == "error"
    assert sessions_named(service) == [None, SESSION, SESSION]


async def test_an_answer_with_errors_keeps_its_session_however_early_it_is_left(
    service: FaultyServer,
) -> None:
    service.play(with_errors("odd"), answer())
    async with runner_at(service, use_helper=False) as made:
        messages = made.runner.run(Cell("a"))
        await anext(messages)
        await messages.aclose()
        await made.run("b")
    assert sessions_named(service) == [None, SESSION]


async def test_another_session_than_was_asked_for_fails_the_cell_and_is_used(
    service: FaultyServer,
) -> None:
    service.play(answer(), answer(session_id=OTHER), answer(session_id=OTHER))
    async with runner_at(service, use_helper=False) as made:
        await made.run()
        failure, reply = await made.run()
        assert failure.content["ename"] == reply.content["ename"] == "SessionChanged"
        await made.run()
    assert sessions_named(service) == [None, SESSION, OTHER]


async def test_another_session_that_the_helper_was_sent_into_shows_with_the_cell(
    service: FaultyServer,
) -> None:
    service.play(greeting(session_id=OTHER), answer(session_id=OTHER), answer(session_id=OTHER))
    async with session_at(service, use_helper=True) as session:
        session.attach(SESSION)
        messages = await run(session)
        assert [m.content["ename"] for m in messages if m.type == "error"] == ["SessionChanged"]
        assert session.id == OTHER
    assert sessions_named(service) == [SESSION, SESSION]


async def test_a_session_that_is_not_named_fails_the_cell(service: FaultyServer) -> None:
    service.play(answer(session_id=""))
    async with runner_at(service, use_helper=False) as made:
        failure, _ = await made.run()
    assert failure.content["ename"] == "InvalidAnswer"
    assert "named no session" in failure.content["evalue"]


DEATHS: dict[str, tuple[bool, Action, Callable[[], Action]]] = {
    "as our server names it": (
        False,
        answer(("error", "InterpreterDied: it ended (exit status 1).")),
        listing,
    ),
    "cut off before the helper's last word": (True, answer(("error", "Gone: dead")), listing),
}


@pytest.mark.parametrize("way", DEATHS)
async def test_one_cell_tells_of_a_death_and_the_next_begins_a_session(
    service: FaultyServer, way: str
) -> None:
    use_helper, death, listed = DEATHS[way]
    service.play(*([greeting()] if use_helper else []), death)
    service.listed = listed()
    async with runner_at(service, use_helper=use_helper) as made:
        failure, reply = await made.run("os._exit(1)")
        assert (failure.type, reply.content["status"]) == ("error", "error")
        assert made.state.id is None
        service.play(*([greeting(1, OTHER)] if use_helper else []), ended(2, session_id=OTHER))
        assert (await made.run("next", number=2))[-1].content["status"] == "ok"
    assert sessions_named(service)[0] is None
    assert made.state.id == OTHER


@pytest.mark.parametrize("way", DEATHS)
async def test_a_session_that_is_listed_still_outlives_its_interpreter(
    service: FaultyServer, way: str
) -> None:
    use_helper, death, _ = DEATHS[way]
    service.play(*([greeting()] if use_helper else []), death)
    async with runner_at(service, use_helper=use_helper) as made:
        await made.run()
        assert made.state.id == SESSION


async def test_an_error_of_the_users_asks_nobody_whether_the_session_lives(
    service: FaultyServer,
) -> None:
    service.play(greeting(), ended(1, ("error", "NameError: x"), failed=True))
    service.listed = listing()
    async with runner_at(service) as made:
        await made.run("x")
        assert made.state.id == SESSION
    assert [request.method for request in service.requests] == ["POST", "POST"]


# -- ahead of the cells ----------------------------------------------------------------------------


async def test_what_is_prepared_is_not_done_again(service: FaultyServer) -> None:
    service.play(greeting(), ended(1))
    async with runner_at(service) as made:
        await made.runner.prepare()
        assert made.state.id == SESSION
        await made.runner.prepare()
        await made.run("a", number=1)
    assert codes(service)[1:] == ["a"]


async def test_a_helper_is_sent_into_each_session(service: FaultyServer) -> None:
    service.play(greeting(), ended(1), greeting(1, OTHER), ended(1, session_id=OTHER))
    async with runner_at(service) as made:
        await made.run("a", number=1)
        made.state.begin(None)
        await made.run("b", number=1)
    assert [code for code in codes(service) if not code.startswith("exec(")] == ["a", "b"]
    assert sessions_named(service) == [None, SESSION, None, OTHER]


async def test_the_origin_is_what_plain_python_has_said(service: FaultyServer) -> None:
    place = json.dumps({"tci-kernel:origin": "/somewhere"})
    service.play(answer(("stdout", f"{place}\n")), answer())
    async with runner_at(service) as made:
        await made.run()
        assert made.runner.origin == "/somewhere"
