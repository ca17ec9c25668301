"""A session's beginning, end and replay, at a service that says so in each way it may."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tci_kernel.core import errors
from tci_kernel.core.cell import Cell
from tci_kernel.core.messages import Message, stream
from tci_kernel.session import expiry
from tci_kernel.session.session import RemoteSession
from tests.faults.conftest import MakeSession
from tests.support.faulty import (
    SESSION,
    Action,
    FaultyServer,
    answer,
    http,
    late,
    listing,
    stall,
)
from tests.support.frontends import Person
from tests.support.waiting import PATIENCE

OTHER = "ses_" + "b" * 21


async def run(session: RemoteSession, code: str = "pass", **options: Any) -> list[Message]:
    messages = [message async for message in session.run(Cell(code, **options))]
    assert messages.pop().type == "execute_reply"
    return messages


def text(message: Message) -> str:
    """What a message prints; empty if it prints nothing."""
    return str(message.content.get("text", ""))


async def begun(session: RemoteSession, service: FaultyServer, *codes: str) -> RemoteSession:
    """The session after some good cells, with nothing counted yet."""
    service.play(answer())
    for code in codes or ("pass",):
        await run(session, code)
    await settled(service)
    service.requests.clear()
    return session


async def settled(service: FaultyServer) -> None:
    """Wait until the service has been asked, in the background, when the session ends."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        _, late = await asyncio.wait(others, timeout=PATIENCE)
        assert not late, "the service has not said when the session ends"
    assert any(request.method == "GET" for request in service.requests)


def codes(service: FaultyServer) -> list[str]:
    return [request.json()["code"] for request in service.executions]


GONE = json.dumps({"error": {"message": "session gone", "type": "x"}})

WAYS = {
    "null data": http(200, json.dumps({"data": None, "errors": ["session gone"]})),
    **{f"status {status}": http(status, GONE) for status in (400, 403, 404, 409, 410, 422, 500)},
}


@pytest.mark.parametrize("way", WAYS)
async def test_expiry_is_recognised_and_confirmed(
    service: FaultyServer, make_session: MakeSession, way: str
) -> None:
    service.listed = listing(SESSION, expires_at="2020-01-01T07:11:51.890310+00:00")
    session = await begun(make_session(service.base_url), service, "a = 1", "b = 2")
    service.play(WAYS[way], answer(session_id=OTHER))
    service.listed = listing(OTHER)
    with pytest.raises(errors.SessionExpired) as caught:
        await run(session, "a + b")
    for words in (SESSION, "2020-01-01 07:11:51 UTC", "files are gone", "afresh", "%tci replay"):
        assert words in str(caught.value)
    assert "2 cells" in str(caught.value)
    assert codes(service) == ["a + b"]
    # The user knows; the next run starts afresh.
    await run(session, "a = 1")
    assert "session_id" not in service.executions[1].json()
    assert session.id == OTHER


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_not_confirmed_keeps_the_session(
    service: FaultyServer, make_session: MakeSession, way: str
) -> None:
    session = await begun(make_session(service.base_url), service)
    service.play(WAYS[way])
    with pytest.raises(errors.TCIError) as caught:
        await run(session)
    assert not isinstance(caught.value, errors.SessionExpired)
    assert session.id == SESSION
    service.listed = http(500, "")
    with pytest.raises(errors.TCIError):
        await run(session)
    assert session.id == SESSION


@pytest.mark.parametrize("status", [401, 402, 429])
async def test_what_cannot_mean_expiry_asks_for_no_list(
    service: FaultyServer, make_session: MakeSession, status: int
) -> None:
    session = await begun(make_session(service.base_url, retry_for=0.0), service)
    service.play(http(status, GONE))
    with pytest.raises(errors.ServiceError):
        await run(session)
    assert len(service.requests) == 1


async def test_an_attached_session_that_is_foreign_is_said_at_the_first_cell(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = make_session(service.base_url)
    session.attach(OTHER)
    service.play(WAYS["status 404"], answer())
    with pytest.raises(errors.SessionExpired, match="not one of this key's"):
        await run(session)
    assert service.executions[0].json()["session_id"] == OTHER


async def test_an_expiry_that_hidden_code_meets_is_kept_for_the_user(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = await begun(make_session(service.base_url), service)
    service.play(WAYS["status 404"], answer(session_id=OTHER))
    service.listed = listing()
    with pytest.raises(errors.SessionExpired):
        await run(session, "hidden", hidden=True)
    assert not session.takes_hidden_cells
    with pytest.raises(errors.SessionExpired):
        await run(session, "mine")
    assert codes(service) == ["hidden"]
    await run(session, "mine")
    assert codes(service) == ["hidden", "mine"]


async def test_replay_runs_what_succeeded_in_a_new_session(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = await begun(make_session(service.base_url), service, "a = 1", "b = 2")
    service.play(answer(("error", "NameError: c")), answer(("stdout", "hidden")))
    await run(session, "c")
    await run(session, "secret()", hidden=True)
    service.play(answer(("stdout", "not again"), session_id=OTHER))
    assert [message async for message in session.replay(interactive=False)] == []
    assert session.replayed() == "In a new session, cells were run again: 2."
    assert codes(service) == ["a = 1", "b = 2"]
    assert "session_id" not in service.executions[0].json()
    assert service.executions[1].json()["session_id"] == OTHER
    # What was replayed can be replayed again.
    service.play(answer())
    _ = [message async for message in session.replay(interactive=False)]
    assert codes(service) == ["a = 1", "b = 2"]


async def test_replay_stops_at_the_first_error_and_keeps_all_for_another(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = await begun(make_session(service.base_url), service, "a = 1", "b = 2", "c = 3")
    service.play(answer(session_id=OTHER), answer(("error", "OSError: no"), session_id=OTHER))
    with pytest.raises(errors.ReplayFailed, match="Cell 2 of 3") as caught:
        _ = [message async for message in session.replay(interactive=False)]
    assert "b = 2" in str(caught.value)
    assert "OSError: no" in str(caught.value)
    assert codes(service) == ["a = 1", "b = 2"]
    service.play(answer())
    _ = [message async for message in session.replay(interactive=False)]
    assert codes(service) == ["a = 1", "b = 2", "c = 3"]


async def test_expiry_can_replay_by_itself_and_says_so(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = await begun(
        make_session(service.base_url, on_expiry="replay"), service, "a = 1", "b = 2"
    )
    service.play(
        WAYS["null data"],
        answer(session_id=OTHER),
        answer(session_id=OTHER),
        answer(("stdout", "3"), session_id=OTHER),
    )
    service.listed = listing()
    messages = await run(session, "print(a + b)")
    assert codes(service) == ["print(a + b)", "a = 1", "b = 2", "print(a + b)"]
    told = "".join(text(message) for message in messages if message.content.get("name") == "stderr")
    assert "has expired" in told
    assert "run again: 2" in told
    assert messages[-1] == stream("stdout", "3")


def soon(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def warnings(messages: list[Message]) -> list[str]:
    return [text(message) for message in messages if "expires in" in text(message)]


async def test_a_session_that_ends_soon_is_said_once(
    service: FaultyServer, make_session: MakeSession
) -> None:
    service.listed = listing(SESSION, expires_at=soon(4))
    session = await begun(make_session(service.base_url), service)
    (warning,) = warnings(await run(session))
    assert "3 min" in warning
    for _ in range(3):
        assert warnings(await run(session)) == []
    # Asked once for the warning, and not for each cell.
    assert len(service.requests) - len(service.executions) == 1


async def test_no_warning_where_the_service_extends_its_sessions(
    service: FaultyServer, make_session: MakeSession
) -> None:
    service.listed = listing(SESSION, expires_at=soon(4))
    session = await begun(make_session(service.base_url), service)
    service.listed = listing(SESSION, expires_at=soon(60))
    assert warnings(await run(session)) == []


@pytest.mark.parametrize("listed", [http(500, ""), http(200, "{}"), listing()])
async def test_a_service_that_does_not_say_when_is_asked_once(
    service: FaultyServer, make_session: MakeSession, listed: Action
) -> None:
    service.listed = listed
    session = await begun(make_session(service.base_url), service)
    for _ in range(3):
        assert await run(session) == []
    assert len(service.requests) == len(service.executions) == 3


async def test_a_hanging_list_does_not_hold_up_cells(
    service: FaultyServer, make_session: MakeSession
) -> None:
    go = threading.Event()
    service.listed = stall(go)
    service.play(answer())
    session = make_session(service.base_url)
    await run(session)
    async with asyncio.timeout(5):
        assert await run(session) == []
    go.set()


async def test_a_list_that_never_comes_keeps_no_error_from_being_shown(
    service: FaultyServer, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "CONFIRMATION_LIMIT", 0.5)
    go = threading.Event()
    session = await begun(make_session(service.base_url), service)
    service.listed = stall(go)
    service.play(http(404, GONE))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(errors.ServiceError, match="HTTP 404"):
            await run(session)
    assert session.id == SESSION
    go.set()


async def test_a_session_that_changes_unasked_fails_the_cell_and_is_used(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = await begun(make_session(service.base_url), service)
    service.play(answer(("stdout", "seen"), session_id=OTHER))
    messages = await run(session)
    assert messages[0] == stream("stdout", "seen")
    assert messages[1].content["ename"] == "SessionChanged"
    assert SESSION in messages[1].content["evalue"]
    assert OTHER in messages[1].content["evalue"]
    await run(session)
    assert service.executions[1].json()["session_id"] == OTHER


async def test_a_session_that_changes_in_a_failing_cell_is_said_beside_the_error(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = await begun(make_session(service.base_url), service)
    service.play(answer(("error", "NameError: x"), session_id=OTHER))
    failure, note = await run(session)
    assert failure.content["ename"] == "NameError"
    assert "SessionChanged" in text(note)


async def test_progress_can_be_switched_off(
    service: FaultyServer, make_session: MakeSession
) -> None:
    service.play(late(3.5, answer(("stdout", "done"))))
    session = make_session(service.base_url, show_progress=False)
    assert await run(session, frontend=Person()) == [stream("stdout", "done")]
