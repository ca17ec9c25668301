"""A session from its beginning to its end, and what can be replayed of it. See `RemoteSession`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import pytest

from tci_kernel.client.client import TCIClient
from tci_kernel.core.errors import RemoteCallFailed, ReplayFailed, SessionExpired, TCIError
from tci_kernel.core.messages import Message, stream
from tci_kernel.remote.calls import BEGIN, END
from tci_kernel.session.session import RemoteSession
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
    codes,
    ended,
    greeting,
    hold,
    others,
    replied,
    run,
    session_at,
    sessions_named,
    settled,
)
from tests.support.waiting import soon

GONE = http(404, "{}")

QUESTION = Message("complete_request", {"code": "pri", "cursor_pos": 3})


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    with faulty_server([answer()]) as server:
        yield server


def value(result: object, session_id: str = SESSION) -> Action:
    """The answer to a program of `remote/`."""
    return answer(("stdout", f"{BEGIN}{json.dumps({'value': result})}{END}"), session_id=session_id)


def opened(session_id: str = SESSION) -> Callable[[TCIClient], Callable[[], Awaitable[str]]]:
    """What opens a session by one request, as an embedded server's client does."""

    def opener(client: TCIClient) -> Callable[[], Awaitable[str]]:
        async def open_session() -> str:
            await client.execute("opening")
            return session_id

        return open_session

    return opener


def state(session: RemoteSession) -> tuple[str | None, int]:
    """The session's id, and how many of the user's cells it has run."""
    return session.id, session.cells_run


def takes_hidden(session: RemoteSession) -> bool:
    return session.takes_hidden_cells


def unnoticed(session: RemoteSession) -> str | None:
    return session.expired_unnoticed


def replayable(session: RemoteSession) -> list[str]:
    return [cell.code for cell in session.replayable()]


async def replayed(session: RemoteSession) -> list[Message]:
    async with aclosing(session.replay(interactive=False)) as messages:
        return [message async for message in messages]


async def begun(session: RemoteSession, service: FaultyServer, *cells: str) -> None:
    """Run good cells, and forget that they were sent."""
    for code in cells:
        await run(session, code)
    await settled(service)
    service.requests.clear()


# -- its beginning ---------------------------------------------------------------------------------


async def test_it_begins_with_the_first_cell_and_goes_on_with_the_next(
    service: FaultyServer,
) -> None:
    async with session_at(service) as session:
        assert state(session) == (None, 0)
        await session.open()
        assert service.requests == []
        for count in (1, 2):
            await run(session)
            assert state(session) == (SESSION, count)
    assert sessions_named(service) == [None, SESSION]


async def test_it_is_opened_ahead_where_that_costs_nothing(service: FaultyServer) -> None:
    service.play(answer(), greeting(), ended(1))
    async with session_at(service, opener=opened(), use_helper=True) as session:
        await session.open()
        assert session.id == SESSION
        assert len(service.executions) == 2
        await run(session, "mine", number=1)
    assert codes(service)[2:] == ["mine"]
    assert sessions_named(service) == [None, SESSION, SESSION]


async def test_it_is_opened_once_however_many_ask(service: FaultyServer) -> None:
    with hold() as held:
        service.play(held, answer())
        async with session_at(service, opener=opened()) as session:
            asking = [asyncio.create_task(session.open()) for _ in range(4)]
            cell = asyncio.create_task(run(session, "cell"))
            await held.arrived()
            held.release(answer())
            await asyncio.gather(*asking, cell)
    assert codes(service) == ["opening", "cell"]


async def test_an_opening_that_fails_is_tried_again_by_the_next_cell(service: FaultyServer) -> None:
    service.play(http(500, ""), answer())
    async with session_at(service, opener=opened()) as session:
        with pytest.raises(TCIError):
            await session.open()
        assert session.id is None
        await run(session, "cell")
    assert codes(service) == ["opening", "opening", "cell"]


async def test_attached_it_is_used_and_has_no_cells_of_before(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        session.attach(OTHER)
        assert (session.id, session.cells_run, replayable(session)) == (OTHER, 0, [])
        assert service.requests == []
        service.play(answer(session_id=OTHER))
        await run(session, "b")
        assert replayable(session) == ["b"]
    assert sessions_named(service) == [OTHER]


async def test_forgotten_it_is_begun_anew_by_the_next_cell(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        session.forget()
        assert state(session) == (None, 0)
        assert service.requests == []
        service.play(answer(session_id=OTHER))
        await run(session)
        assert session.id == OTHER
    assert sessions_named(service) == [None]


async def test_a_question_begins_none(service: FaultyServer) -> None:
    async with session_at(service, use_helper=True) as session:
        assert await session.request(QUESTION) is None
        assert await session.try_call("names", 5.0) is None
        assert not session.interrupt()
        assert session.id is None
        service.play(greeting(), ended(1))
        await run(session)
        session.forget()
        service.requests.clear()
        assert await session.request(QUESTION) is None
        assert await session.try_call("names", 5.0) is None
        assert session.id is None
    assert service.requests == []


async def test_a_question_changes_no_count_and_no_cells(service: FaultyServer) -> None:
    completed = {"matches": ["print"], "cursor_start": 0, "cursor_end": 3}
    service.play(greeting(), ended(1), replied(completed))
    async with session_at(service, use_helper=True) as session:
        await run(session, "a")
        reply = await session.request(QUESTION)
        assert reply is not None
        assert reply.content["matches"] == ["print"]
        assert (session.id, session.cells_run, replayable(session)) == (SESSION, 1, ["a"])


# -- what the user did not run ---------------------------------------------------------------------


async def test_hidden_cells_are_taken_where_they_buy_nothing(service: FaultyServer) -> None:
    async with session_at(service) as session:
        assert not takes_hidden(session)
        await run(session)
        assert takes_hidden(session)
        session.forget()
        assert not takes_hidden(session)
    async with session_at(service, opener=opened()) as session:
        assert takes_hidden(session)


async def test_a_hidden_cell_is_no_cell_of_the_users(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        service.play(answer(("stdout", "seen")))
        messages = await run(session, "hidden", hidden=True)
        assert messages[0] == stream("stdout", "seen")
        assert (session.cells_run, replayable(session)) == (1, ["a"])
    assert len(service.requests) == 1


async def test_an_expiry_that_a_hidden_cell_meets_is_said_to_the_user_once(
    service: FaultyServer,
) -> None:
    async with session_at(service, on_expiry="replay") as session:
        await begun(session, service, "a")
        service.play(GONE, answer(session_id=OTHER))
        service.listed = listing()
        with pytest.raises(SessionExpired):
            await run(session, "hidden", hidden=True)
        assert unnoticed(session) == SESSION
        assert not takes_hidden(session)
        with pytest.raises(SessionExpired):
            session.raise_expired()
        session.raise_expired()
        assert unnoticed(session) is None
    assert codes(service) == ["hidden"]


async def test_who_attaches_or_begins_anew_is_not_told(service: FaultyServer) -> None:
    for go_on in (RemoteSession.forget, lambda session: session.attach(OTHER)):
        service.play(answer())
        service.listed = listing(SESSION)
        async with session_at(service) as session:
            await begun(session, service, "a")
            service.play(GONE, answer())
            service.listed = listing()
            with pytest.raises(SessionExpired):
                await run(session, "hidden", hidden=True)
            go_on(session)
            session.raise_expired()


async def test_a_call_gives_what_the_program_returned(service: FaultyServer) -> None:
    service.play(value([1, 2]))
    async with session_at(service) as session:
        assert await session.call("names") == [1, 2]
        assert session.id == SESSION  # who asks for it may begin one
        assert (session.cells_run, replayable(session)) == (0, [])


async def test_a_call_that_fails_there_says_so(service: FaultyServer) -> None:
    service.play(answer(("error", "MemoryError: too much")))
    async with session_at(service) as session:
        with pytest.raises(RemoteCallFailed, match="In the session: MemoryError: too much"):
            await session.call("names")


@pytest.mark.parametrize("said", [http(500, ""), hang_up(), answer(), answer(("error", "E: 1"))])
async def test_a_call_that_nobody_has_asked_for_fails_in_silence(
    service: FaultyServer, said: Action
) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        service.play(said)
        assert await session.try_call("names", 5.0) is None
        assert session.id == SESSION


async def test_who_gives_up_a_call_that_nobody_has_asked_for_does_not_hang_up(
    service: FaultyServer,
) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        with hold() as held:
            service.play(held, answer(("stdout", "on")))
            assert await session.try_call("names", 0.05) is None
            await held.arrived()
            assert held.is_waited_for()
            assert (await run(session, "b"))[0] == stream("stdout", "on")
            held.release(value([]))
            await soon(lambda: not others(), "the late answer")
        assert session.id == SESSION


async def test_an_expiry_that_a_late_call_meets_is_said_to_the_user(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        service.listed = listing()
        with hold() as held:
            service.play(held)
            assert await session.try_call("names", 0.05) is None
            await held.arrived()
            held.release(GONE)
            await soon(lambda: unnoticed(session), "the note of an expiry")
        with pytest.raises(SessionExpired):
            await run(session, "b")


# -- what can be replayed --------------------------------------------------------------------------


async def test_what_succeeded_is_replayable_in_order(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await run(session, "a")
        service.play(answer(("error", "NameError: x")))
        await run(session, "x")
        service.play(answer())
        await run(session, "b")
        assert replayable(session) == ["a", "b"]


async def test_it_is_so_after_an_expiry(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a", "b")
        service.play(GONE, answer(session_id=OTHER))
        service.listed = listing()
        with pytest.raises(SessionExpired, match="2 cells"):
            await run(session, "c")
        assert session.id is None
        assert replayable(session) == ["a", "b"]
        # Also for who runs the cell again first, in a session that it begins.
        await run(session, "c")
        assert replayable(session) == ["a", "b", "c"]


async def test_it_is_so_after_each_of_several_expiries(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        for name in ("b", "c"):
            service.play(GONE, answer())
            service.listed = listing()
            with pytest.raises(SessionExpired):
                await run(session, name)
            service.listed = listing(SESSION)
            await run(session, name)
        assert replayable(session) == ["a", "b", "c"]


async def test_it_is_so_after_it_was_forgotten(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        session.forget()
        session.forget()
        assert replayable(session) == ["a"]
        await run(session, "b")
        session.forget()
        assert replayable(session) == ["a", "b"]
        service.play(answer(session_id=OTHER))
        await replayed(session)
    assert codes(service) == ["a", "b"]
    assert sessions_named(service) == [None, OTHER]


async def test_it_is_so_after_an_interpreter_has_died(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        service.play(answer(("error", "InterpreterDied: exit status 1")), answer(session_id=OTHER))
        service.listed = listing()
        assert (await run(session, "os._exit(1)"))[-1].content["ename"] == "InterpreterDied"
        assert (await run(session, "b"))[-1].content["status"] == "ok"
        assert replayable(session) == ["a", "b"]
        assert session.id == OTHER


async def test_it_is_so_after_a_replay_each_cell_once(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a", "b")
        for _ in range(2):
            assert await replayed(session) == []
            assert replayable(session) == ["a", "b"]
            assert session.cells_run == 2
        await run(session, "c")
        assert replayable(session) == ["a", "b", "c"]


async def test_it_is_so_after_a_replay_of_a_part_for_that_part(service: FaultyServer) -> None:
    async with session_at(service) as session:
        for number, code in enumerate("abc", 1):
            await run(session, code, number=number)
        async with aclosing(session.replay(interactive=False, first=2, last=2)) as messages:
            assert [message async for message in messages] == []
        assert replayable(session) == ["b"]


@pytest.mark.parametrize("way", ["error", "refused", "closed"])
async def test_it_is_so_after_a_replay_that_did_not_end(service: FaultyServer, way: str) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a", "b", "c")
        failing = answer(("error", "OSError: no")) if way == "error" else http(500, "")
        service.play(answer(), failing)
        if way == "closed":
            messages = session.replay(interactive=True)
            await anext(messages)
            await messages.aclose()
        else:
            with pytest.raises(ReplayFailed if way == "error" else TCIError):
                await replayed(session)
            assert codes(service) == ["a", "b"]
        assert replayable(session) == ["a", "b", "c"]
        service.play(answer())
        await replayed(session)
    assert codes(service) == ["a", "b", "c"]


async def test_an_expired_session_can_be_replayed_by_itself(service: FaultyServer) -> None:
    async with session_at(service, on_expiry="replay") as session:
        await begun(session, service, "a")
        service.play(GONE, answer(session_id=OTHER))
        service.listed = listing(OTHER)
        messages = await run(session, "b")
        assert messages[-1].type == "execute_reply"
        assert [message.type for message in messages].count("execute_reply") == 1
        assert replayable(session) == ["a", "b"]
    assert codes(service) == ["b", "a", "b"]


async def test_who_sat_in_front_of_a_cell_is_not_asked_by_its_replay(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await run(session, "a", frontend=Person())
        assert [cell.frontend for cell in session.replayable()] == [None]


# -- its end ---------------------------------------------------------------------------------------


async def test_an_expiry_is_told_without_a_time_that_is_yet_to_come(service: FaultyServer) -> None:
    async with session_at(service) as session:
        await begun(session, service, "a")
        service.play(GONE)
        service.listed = listing()
        with pytest.raises(SessionExpired) as caught:
            await run(session)
        assert "was to expire" not in str(caught.value)


async def test_closed_it_leaves_no_task_behind(service: FaultyServer) -> None:
    with hold() as held:
        service.listed = held
        async with session_at(service) as session:
            await run(session)
            await held.arrived()
        assert others() == set()
        assert held.is_dropped()
