"""Cancellation is exact: the request is dropped first, then the error comes, and nothing is left.

`Held.is_dropped` looks at the server's end of the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from tci_kernel.client.client import TCIClient
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import Interrupted
from tci_kernel.core.messages import Message, stream
from tci_kernel.session.direct import sending
from tci_kernel.session.session import RemoteSession
from tests.support.faulty import SESSION, FaultyServer, answer, faulty_server, http, listing
from tests.support.frontends import Person
from tests.support.scripted import (
    OTHER,
    Held,
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

LONG = http(429, "{}", Retry_After="40")


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    with faulty_server([]) as server:
        yield server


@pytest.fixture
def held() -> Iterator[Held]:
    """What keeps the request that a test is about."""
    with hold() as held:
        yield held


@pytest.fixture(autouse=True)
async def complaints() -> AsyncIterator[None]:
    """Nothing is left to the event loop to complain of, such as a generator that ignores its end.

    It only logs that, where a warning would fail the test by itself.
    """
    gathered: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: gathered.append(what))
    yield
    assert gathered == []


@asynccontextmanager
async def running(
    session: RemoteSession, held: Held, code: str = "cell", **options: Any
) -> AsyncIterator[tuple[asyncio.Task[None], list[Message]]]:
    """A cell that runs in a task, as the kernel has it, and its messages so far."""
    seen: list[Message] = []
    task = asyncio.create_task(gather(session.run(Cell(code, **options)), seen, held))
    yield task, seen
    assert task.done(), "the test has not ended the cell"


async def gather(messages: AsyncGenerator[Message], seen: list[Message], held: Held) -> None:
    """Iterate as the kernel does. An error finds the request that was held dropped already."""
    try:
        async with aclosing(messages):
            async for message in messages:
                seen.append(message)  # noqa: PERF401 - they are looked at meanwhile
    except (Interrupted, asyncio.CancelledError):
        assert held.is_dropped(), "the error came before the hang-up"
        raise


async def stop(session: RemoteSession, task: asyncio.Task[Any], held: Held) -> Interrupted:
    """Interrupt a cell whose request is held; the request is dropped before the error comes."""
    await held.arrived()
    assert held.is_waited_for()
    assert session.interrupt()
    with pytest.raises(Interrupted) as caught:
        await task
    assert others() == set()
    return caught.value


async def next_cell_runs_once(
    session: RemoteSession, service: FaultyServer, *before: Callable[[Any], None]
) -> None:
    """What a cell says that comes after an interrupted one; `before` answers what precedes it."""
    service.play(*before, answer(("stdout", "on")))
    messages = await run(session, "next")
    assert messages[0] == stream("stdout", "on")
    assert codes(service).count("next") == 1
    assert len(service.executions) == 1 + len(before)


# -- each step of a cell ---------------------------------------------------------------------------


async def test_while_the_session_is_opened_the_cell_is_cancelled_and_nothing_is_left(
    service: FaultyServer, held: Held
) -> None:
    def opener(client: TCIClient) -> Callable[[], Awaitable[str | None]]:
        async def open_session() -> str | None:
            return (await client.execute("opening")).session_id

        return open_session

    service.play(held)
    async with session_at(service, opener=opener) as session:
        async with running(session, held) as (task, _):
            await held.arrived()
            assert not session.interrupt()  # nothing runs yet: who iterates is cancelled
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert held.is_dropped()
            assert others() == set()
        assert session.id is None
        await next_cell_runs_once(session, service, answer())


async def test_while_the_helper_is_installed(service: FaultyServer, held: Held) -> None:
    service.play(held)
    async with session_at(service, use_helper=True) as session:
        async with running(session, held) as (task, seen):
            error = await stop(session, task, held)
        assert "did not run" in str(error)
        assert not error.may_have_run
        assert seen == []
        await next_cell_runs_once(session, service, greeting())


async def test_while_the_number_is_agreed_on(service: FaultyServer, held: Held) -> None:
    service.play(greeting(7), held)
    async with session_at(service, use_helper=True) as session:
        async with running(session, held, number=3) as (task, seen):
            error = await stop(session, task, held)
        assert "did not run" in str(error)
        assert seen == []
        service.play(replied(None), ended(3, ("stdout", "on")))
        messages = await run(session, "next", number=3)
        assert messages[0] == stream("stdout", "on")
        assert "set_count" in codes(service)[0]
        assert codes(service)[1:] == ["next"]
        assert sessions_named(service) == [SESSION, SESSION]


async def test_while_the_answer_is_waited_for(service: FaultyServer, held: Held) -> None:
    service.play(answer(), held)
    async with session_at(service) as session:
        await run(session)
        await settled(service)
        async with running(session, held) as (task, seen):
            error = await stop(session, task, held)
        assert "may still be running there" in " ".join(str(error).split())
        assert "The session is kept." in str(error)
        assert error.may_have_run
        assert seen == []
        await next_cell_runs_once(session, service)
        assert sessions_named(service) == [SESSION]


async def test_while_the_answer_of_a_first_cell_is_waited_for(
    service: FaultyServer, held: Held
) -> None:
    service.play(held)
    async with session_at(service) as session:
        async with running(session, held) as (task, _):
            error = await stop(session, task, held)
        assert "its id never arrived" in str(error)
        await next_cell_runs_once(session, service)


async def test_where_the_service_stops_code_nothing_more_is_said(
    service: FaultyServer, held: Held
) -> None:
    async def open_session() -> str:
        return SESSION

    service.play(held)
    async with session_at(service, opener=lambda _client: open_session) as session:
        async with running(session, held) as (task, _):
            error = await stop(session, task, held)
        assert str(error) == ""
        await next_cell_runs_once(session, service)


async def test_while_another_attempt_is_waited_for_nothing_was_sent(
    service: FaultyServer, held: Held
) -> None:
    service.play(answer(), LONG, held)
    async with session_at(service) as session:
        await run(session)
        await settled(service)
        async with running(session, held, frontend=Person()) as (task, seen):
            await soon(lambda: seen, "the notice of the pause")
            assert session.interrupt()
            with pytest.raises(Interrupted) as caught:
                await task
            assert others() == set()
        assert "did not run" in str(caught.value)
        assert "may still be running" not in str(caught.value)
        assert not caught.value.may_have_run
        assert [message.type for message in seen] == ["display_data", "clear_output"]
        assert held.count == 0
        await next_cell_runs_once(session, service)


async def test_while_a_server_that_was_killed_is_tried_again_nothing_was_sent(held: Held) -> None:
    with faulty_server([answer()]) as service:
        gone = service
    async with (
        session_at(gone) as session,
        running(session, held, frontend=Person()) as (task, seen),
    ):
        await soon(lambda: seen, "the notice of the pause")
        session.interrupt()
        with pytest.raises(Interrupted, match="did not run"):
            await task
        assert others() == set()


async def test_in_a_second_attempt_the_code_may_run(service: FaultyServer, held: Held) -> None:
    service.play(http(429, "{}", Retry_After_Ms="1"), held)
    async with session_at(service) as session, running(session, held) as (task, _):
        error = await stop(session, task, held)
        assert "may still be running" in str(error)


async def test_while_an_expired_session_is_replayed_its_cells_are_kept(
    service: FaultyServer, held: Held
) -> None:
    service.play(answer(), answer(), http(404, "{}"), answer(session_id=OTHER), held)
    async with session_at(service, on_expiry="replay") as session:
        await run(session, "a = 1")
        await run(session, "b = 2")
        await settled(service)
        service.listed = listing()
        async with running(session, held, "c", frontend=Person()) as (task, seen):
            await held.arrived()
            await soon(lambda: "ExpiryWatch" not in str(others()), "the new session's end")
            error = await stop(session, task, held)
        assert error.may_have_run
        assert codes(service) == ["a = 1", "b = 2", "c", "a = 1", "b = 2"]
        assert seen[-1].type == "clear_output"
        assert [cell.code for cell in session.replayable()] == ["a = 1", "b = 2"]
        service.listed = listing(OTHER)
        service.play(answer(("stdout", "on"), session_id=OTHER))
        assert (await run(session, "next"))[0] == stream("stdout", "on")
        assert codes(service) == ["next"]


async def test_while_the_users_expressions_are_asked_for_the_outputs_have_come(
    service: FaultyServer, held: Held
) -> None:
    service.play(greeting(), ended(1, ("stdout", "seen")), held)
    async with session_at(service, use_helper=True) as session:
        async with running(session, held, user_expressions={"a": "1"}) as (task, seen):
            await stop(session, task, held)
        assert seen == [stream("stdout", "seen")]
        service.play(ended(2, ("stdout", "on")))
        assert (await run(session, "next", number=2))[0] == stream("stdout", "on")
        assert codes(service) == ["next"]


async def test_a_call_that_is_given_up_after_a_cell_was_interrupted_is_no_interrupt(
    service: FaultyServer, held: Held
) -> None:
    service.play(answer(), held)
    async with session_at(service) as session:
        await run(session)
        await settled(service)
        async with running(session, held) as (task, _):
            await stop(session, task, held)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await session.call("names")
        assert held.is_dropped()
        assert others() == set()


# -- however it comes ------------------------------------------------------------------------------


async def test_closing_the_iteration_early_drops_the_request(
    service: FaultyServer, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "NOTICE_AFTER", 0.02)
    service.play(held)
    async with session_at(service) as session:
        messages = session.run(Cell("cell", frontend=Person()))
        assert (await anext(messages)).type == "display_data"
        await held.arrived()
        assert held.is_waited_for()
        await messages.aclose()
        assert held.is_dropped()
        assert others() == set()
        assert not session.interrupt()
        await next_cell_runs_once(session, service)


async def test_cancelling_the_task_that_iterates_drops_the_request(
    service: FaultyServer, held: Held
) -> None:
    service.play(held)
    async with session_at(service) as session:
        async with running(session, held) as (task, _):
            await held.arrived()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert held.is_dropped()
            assert others() == set()
        await next_cell_runs_once(session, service)


async def test_a_second_interrupt_does_not_break_the_clean_up(
    service: FaultyServer, held: Held
) -> None:
    service.play(held)
    async with session_at(service) as session:
        async with running(session, held) as (task, _):
            await held.arrived()
            assert session.interrupt()
            assert session.interrupt()
            await stop(session, task, held)
        await next_cell_runs_once(session, service)


async def test_an_interrupt_ends_a_replay_that_the_user_asked_for(
    service: FaultyServer, held: Held
) -> None:
    service.play(answer(), held)
    async with session_at(service) as session:
        await run(session, "a = 1")
        await settled(service)

        seen: list[Message] = []
        replay = asyncio.create_task(gather(session.replay(interactive=True), seen, held))
        await stop(session, replay, held)
        assert [message.type for message in seen] == ["display_data", "clear_output"]
        assert [cell.code for cell in session.replayable()] == ["a = 1"]
        await next_cell_runs_once(session, service)


async def test_an_interrupt_once_the_cell_has_ended_stops_nothing(service: FaultyServer) -> None:
    service.play(answer())
    async with session_at(service) as session:
        await run(session)
        assert not session.interrupt()
        assert (await run(session))[-1].content["status"] == "ok"


async def test_an_interrupt_while_a_failure_is_looked_into_adds_no_second_error(
    service: FaultyServer, held: Held
) -> None:
    """The cell has told of the death by then, and its reply says the same."""
    service.play(answer(), answer(("error", "InterpreterDied: killed by SIGKILL")))
    async with session_at(service) as session:
        await run(session)
        await settled(service)
        service.listed = held
        async with running(session, held) as (task, seen):
            await held.arrived()
            session.interrupt()
            await asyncio.wait({task})
            assert held.is_dropped()
        assert seen[-1].content["ename"] == "InterpreterDied"
        assert task.exception() is None
