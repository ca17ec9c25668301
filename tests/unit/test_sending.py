"""A request on its way: what is said meanwhile, how often it is sent, and that it ends."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from tci_kernel.client.client import TCIClient
from tci_kernel.core.errors import CellTimeout, ConnectionLost, RateLimited, ServiceError, TCIError
from tci_kernel.session.direct import sending
from tci_kernel.session.direct.sending import Sending
from tests.support.faulty import SESSION, FaultyServer, answer, faulty_server, hang_up, http
from tests.support.scripted import client_of, hold, others

REASON = '{"error": {"message": "slow down"}}'


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    with faulty_server([answer()]) as server:
        yield server


@pytest.fixture
async def client(service: FaultyServer) -> AsyncIterator[TCIClient]:
    async with client_of(service) as client:
        yield client
    assert others() == set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is told so at once."""
    monkeypatch.setattr(sending, "NOTICE_AFTER", 0.02)
    monkeypatch.setattr(sending, "NOTICE_INTERVAL", 0.02)


def sending_of(
    client: TCIClient, *, retry_for: float = 60.0, cell_timeout: float | None = None
) -> Sending:
    return Sending(
        lambda: client.execute("cell", SESSION), retry_for=retry_for, cell_timeout=cell_timeout
    )


async def texts(one: Sending) -> list[str]:
    """All that is said until the answer is there."""
    async with aclosing(one.progress()) as progress:
        return [text async for text in progress]


async def test_a_quick_answer_comes_without_a_word(client: TCIClient) -> None:
    one = sending_of(client)
    assert (one.answer, one.is_out) == (None, False)
    assert await texts(one) == []
    assert one.answer is not None
    assert one.answer.session_id == SESSION


async def test_nothing_is_sent_before_somebody_iterates(
    service: FaultyServer, client: TCIClient
) -> None:
    progress = sending_of(client).progress()
    assert service.requests == []
    await progress.aclose()
    assert service.requests == []


@pytest.mark.usefixtures("impatient")
async def test_who_waits_is_told_for_how_long(service: FaultyServer, client: TCIClient) -> None:
    with hold() as held:
        service.play(held)
        one = sending_of(client)
        async with aclosing(one.progress()) as progress:
            said = [await anext(progress) for _ in range(3)]
            assert (one.is_out, one.answer) == (True, None)
            held.release(answer(("stdout", "done")))
            said += [text async for text in progress]
    assert set(said) == {"Running for 0 s"}
    assert one.answer is not None
    assert one.answer.outputs[0].data == "done"
    assert len(service.executions) == 1


async def test_a_pause_is_said_with_its_reason(service: FaultyServer, client: TCIClient) -> None:
    service.play(http(429, REASON, Retry_After_Ms="600"), answer())
    one = sending_of(client)
    async with aclosing(one.progress()) as progress:
        said = await anext(progress)
        assert not one.is_out  # nothing runs now
        assert [text async for text in progress] == []
    assert said == "HTTP 429 (rate limited): slow down\nTrying again in 1 s"
    assert one.answer is not None
    assert len(service.executions) == 2


async def test_a_long_pause_is_counted_down(
    service: FaultyServer, client: TCIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "NOTICE_INTERVAL", 0.05)
    service.play(http(429, REASON, Retry_After="30"))
    one = sending_of(client)
    start = time.monotonic()
    async with aclosing(one.progress()) as progress:
        said = [await anext(progress) for _ in range(3)]
    assert time.monotonic() - start < 30
    assert all("Trying again in 3" in text for text in said)
    assert len(service.executions) == 1


async def test_each_attempt_is_the_same_request(service: FaultyServer, client: TCIClient) -> None:
    busy = http(429, REASON, Retry_After_Ms="1")
    service.play(busy, busy, busy, answer())
    await texts(sending_of(client))
    assert len(service.executions) == 4
    assert len({request.body for request in service.executions}) == 1


async def test_the_pauses_keep_to_their_limit(service: FaultyServer, client: TCIClient) -> None:
    service.play(http(429, REASON, Retry_After_Ms="400"))
    start = time.monotonic()
    with pytest.raises(RateLimited, match=r"longer than RemoteSession.retry_for \(1 s\) leaves"):
        await texts(sending_of(client, retry_for=1.0))
    assert time.monotonic() - start >= 0.8
    assert len(service.executions) == 3


async def test_the_last_attempts_failure_is_raised(
    service: FaultyServer, client: TCIClient
) -> None:
    service.play(http(429, REASON, Retry_After_Ms="1"), http(500, ""), answer())
    one = sending_of(client)
    with pytest.raises(ServiceError, match="HTTP 500") as caught:
        await texts(one)
    assert caught.value.may_have_run
    assert one.answer is None
    assert len(service.executions) == 2


@pytest.mark.parametrize("action", [hang_up(), http(500, ""), http(200, b"{"), http(402, "{}")])
async def test_what_may_have_run_or_will_not_change_is_not_sent_again(
    service: FaultyServer, client: TCIClient, action: object
) -> None:
    service.play(action, answer())  # type: ignore[arg-type]
    with pytest.raises(TCIError):
        await texts(sending_of(client))
    assert len(service.executions) == 1


async def test_a_cell_that_takes_too_long_is_dropped_before_it_is_said(
    service: FaultyServer, client: TCIClient
) -> None:
    with hold() as held:
        service.play(held)
        with pytest.raises(CellTimeout, match=r"longer than 0.1 s\.") as caught:
            await texts(sending_of(client, cell_timeout=0.1))
        assert held.count == 0 or held.is_dropped()
    assert caught.value.may_have_run


async def test_the_limit_is_one_attempts_and_no_pauses(
    service: FaultyServer, client: TCIClient
) -> None:
    service.play(http(429, REASON, Retry_After_Ms="1200"), answer())
    one = sending_of(client, cell_timeout=1.0)
    await texts(one)
    assert one.answer is not None


@pytest.mark.usefixtures("impatient")
async def test_closed_it_drops_the_request(service: FaultyServer, client: TCIClient) -> None:
    with hold() as held:
        service.play(held)
        async with aclosing(sending_of(client).progress()) as progress:
            await anext(progress)
            await held.arrived()
            assert held.is_waited_for()
        assert held.is_dropped()
    assert others() == set()


async def test_closed_in_a_pause_it_sends_no_more(service: FaultyServer, client: TCIClient) -> None:
    service.play(http(429, REASON, Retry_After_Ms="50"), answer())
    one = sending_of(client)
    async with aclosing(one.progress()) as progress:
        await anext(progress)
    assert not one.is_out
    assert others() == set()
    assert len(service.executions) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_failure_that_comes_while_it_is_closed_is_nobodys_complaint(
    service: FaultyServer, client: TCIClient, caplog: pytest.LogCaptureFixture
) -> None:
    with hold() as held:
        service.play(held)
        progress = sending_of(client).progress()
        await anext(progress)
        await held.arrived()
        held.release(http(500, ""))
        await progress.aclose()
    assert caplog.records == []


async def test_a_lost_connection_says_so(service: FaultyServer, client: TCIClient) -> None:
    service.play(hang_up())
    with pytest.raises(ConnectionLost):
        await texts(sending_of(client))
