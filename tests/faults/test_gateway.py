"""Cells run live behind a gateway that fails: each runs once, and all that it shows arrives."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import ConnectionFailed, ConnectionLost, Interrupted
from tci_kernel.core.messages import Message
from tci_kernel.session.live import watch, ways
from tci_kernel.session.notice import NoticeWiped
from tests.support.comms import ECHO
from tests.support.frontends import Person
from tests.support.gateway import (
    Chance,
    Fault,
    Gateway,
    answers,
    cut,
    delayed,
    first,
    gateway,
    one_after_another,
    page,
    silent_answers,
    silent_requests,
)
from tests.support.kernels import KernelDriver, kernel
from tests.support.live import Ledger, live_session, messages_of, printed
from tests.support.servers import ServerProcess
from tests.support.waiting import soon, until

CELLS = 200

# The part of the calls that is hit.
SHARE = 0.1

FAULTS: dict[str, tuple[int, Sequence[Fault]]] = {
    "requests are lost": (CELLS, (Chance(SHARE).lost_requests(),)),
    "answers are lost": (CELLS, (Chance(SHARE).lost_answers(),)),
    "answers are cut in half": (CELLS, (Chance(SHARE).half_answers(),)),
    "502 and 524 in HTML": (CELLS, (Chance(SHARE).pages(502, 524),)),
    # What is lost in a queue of calls that nobody waits for any more runs there all the same.
    "one after another, lost, and cut after 5 s": (
        CELLS,
        (Chance(SHARE).lost_answers(), Chance(SHARE).pages(502, 524), cut(), one_after_another()),
    ),
    # Each cell takes this delay once at least: 200 would take more than a minute.
    "300 ms away": (12, (delayed(0.3),)),
}


def troubles(messages: Sequence[Message]) -> list[str]:
    """What was shown of exchanges that failed."""
    shown = ("display_data", "update_display_data")
    texts = [one.content["data"].get("text/plain", "") for one in messages if one.type in shown]
    return [text for text in texts if "Trying again in" in text]


@pytest.fixture
def service(server: ServerProcess) -> Iterator[Gateway]:
    with gateway(server.base_url) as made:
        yield made


@pytest.fixture(params=["relay", "exchange"])
def each_service(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """One whose sessions are sent a relay, and one that makes exchanges itself."""
    with gateway(server.base_url, passes_exchanges=request.param == "exchange") as made:
        yield made


@pytest.mark.parametrize("name", FAULTS)
async def test_each_cell_runs_once_and_all_its_output_arrives(
    each_service: Gateway, server: ServerProcess, tmp_path: Path, name: str
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    count, faults = FAULTS[name]
    async with live_session(each_service.base_url, server.token) as session:
        ledger.check(0, await messages_of(session, ledger.code(0)))
        each_service.faults = faults
        for number in range(1, count):
            ledger.check(number, await messages_of(session, ledger.code(number), number=number))
    assert ledger.wrong == []
    assert ledger.written() == list(range(count))
    assert each_service.refused == []


async def test_nothing_is_lost_while_nobody_is_there_for_10_seconds(
    each_service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    async with live_session(each_service.base_url, server.token) as session:
        for number in range(CELLS):
            if number == CELLS // 2:
                each_service.leave_for(10)
            ledger.check(number, await messages_of(session, ledger.code(number), number=number))
    assert ledger.wrong == []
    assert ledger.written() == list(range(CELLS))


async def test_a_long_cell_outlives_calls_that_are_cut_off(
    service: Gateway, server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a cell that is silent for minutes, exchanges wait for as long as the gateway lets them.
    monkeypatch.setattr(watch, "SILENT_AFTER", 1.0)
    service.faults = (cut(), one_after_another())
    cell: list[Message] = []
    wiped = ended = 0.0
    async with live_session(service.base_url, server.token, retry_for=4.0) as session:
        await messages_of(session, "import time")
        service.forget()
        code = "time.sleep(12)\nprint('whole')"
        async for message in session.run(Cell(code, number=2, frontend=Person())):
            cell.append(message)
            ended = time.monotonic()
            wiped = wiped or (ended if isinstance(message, NoticeWiped) else 0.0)
    assert (cell[-1].content["status"], printed(cell)) == ("ok", "whole\n")
    # It learns of it: one that is cut off is no reason to ask all the time, nor to fail each time.
    assert len(service.received) < 12
    assert len(troubles(cell)) == 1
    assert wiped < ended - 2.0  # and its word does not stay until the cell prints


async def test_an_answer_that_never_comes_is_asked_for_again(
    each_service: Gateway, server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "SILENCE", 1.0)
    ledger = Ledger(tmp_path / "ledger")
    async with live_session(each_service.base_url, server.token) as session:
        ledger.check(0, await messages_of(session, ledger.code(0)))
        for number, fault in enumerate((silent_requests(), silent_answers()), 1):
            each_service.faults = (first(fault),)
            ledger.check(number, await messages_of(session, ledger.code(number), number=number))
    assert ledger.wrong == []
    assert ledger.written() == [0, 1, 2]


async def test_code_that_travels_in_a_file_runs_once(
    service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    async with live_session(service.base_url, server.token) as session:
        ledger.check(0, await messages_of(session, ledger.code(0)))
        service.faults = (Chance(0.3).lost_answers(), Chance(0.3).pages(502), one_after_another())
        for number in range(1, 20):
            code = f"{ledger.code(number)}\n# {'x' * ways.LARGE}"
            ledger.check(number, await messages_of(session, code, number=number))
    assert ledger.wrong == []
    assert ledger.written() == list(range(20))


async def test_a_cell_whose_answers_are_lost_is_given_up_and_the_next_brings_its_output(
    each_service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    async with live_session(each_service.base_url, server.token, retry_for=1.0) as session:
        ledger.check(0, await messages_of(session, ledger.code(0)))
        each_service.faults = (Chance(1.0).lost_answers(),)
        with pytest.raises(ConnectionLost, match="then the next cell, or") as caught:
            await messages_of(session, ledger.code(1), number=2)
        assert caught.value.may_have_run
        each_service.faults = ()
        cell = await messages_of(session, ledger.code(2), number=3)
    assert printed(cell) == ledger.output(1) + ledger.output(2)
    assert ledger.written() == [0, 1, 2]


async def test_a_cell_that_was_given_up_and_never_arrived_does_not_run_later(
    each_service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    async with live_session(each_service.base_url, server.token, retry_for=1.0) as session:
        ledger.check(0, await messages_of(session, ledger.code(0)))
        each_service.leave()
        with pytest.raises(ConnectionFailed, match="did not run") as caught:
            await messages_of(session, ledger.code(1), number=2)
        assert not caught.value.may_have_run
        each_service.come_back()
        for number in (2, 3):
            ledger.check(number, await messages_of(session, ledger.code(number), number=number))
    assert ledger.wrong == []
    assert ledger.written() == [0, 2, 3]
    assert not any(ledger.code(1) in call.code for call in each_service.passed)


async def test_a_cell_that_is_interrupted_before_it_arrived_does_not_run_later(
    each_service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    async with live_session(each_service.base_url, server.token) as session:
        ledger.check(0, await messages_of(session, ledger.code(0)))
        each_service.leave()
        person = Person()
        running = session.run(Cell(ledger.code(1), number=2, frontend=person))
        while not troubles([await anext(running)]):
            pass
        assert session.interrupt()
        with pytest.raises(Interrupted, match="did not run"):
            [message async for message in running]
        each_service.come_back()
        for number in (2, 3):
            ledger.check(number, await messages_of(session, ledger.code(number), number=number))
    assert ledger.wrong == []
    assert ledger.written() == [0, 2, 3]


async def test_a_session_that_begins_behind_failures_is_live(
    each_service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    # What began a session whose id never arrived is sent once more, not twice: each costs.
    each_service.faults = (first(answers(page(502))),)
    async with live_session(each_service.base_url, server.token) as session:
        each_service.leave_for(1)
        cell = await messages_of(session, ledger.code(1), frontend=Person())
        assert troubles(cell)
        assert [one.type for one in cell if isinstance(one, NoticeWiped)]
        ledger.check(1, [one for one in cell if one.type in ("stream", "execute_reply")])
        ledger.check(2, await messages_of(session, ledger.code(2), number=2))
    assert ledger.wrong == []
    assert ledger.written() == [1, 2]


async def test_a_session_whose_id_never_arrives_is_begun_once_more_at_most(
    service: Gateway, server: ServerProcess
) -> None:
    service.faults = (Chance(1.0).lost_answers(),)
    async with live_session(service.base_url, server.token) as session:
        with pytest.raises(ConnectionLost, match="what runs next begins another"):
            await messages_of(session, "pass")
    assert len(service.passed_code()) == 2


async def test_who_attaches_gets_what_a_cell_prints_that_was_given_up(
    each_service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    code = (
        f"import os, time\nprint('begun')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    )
    async with live_session(each_service.base_url, server.token, retry_for=1.0) as session:
        running = session.run(Cell(f"{code}\nprint('ended')"))
        while (await anext(running)).type != "stream":
            pass
        each_service.leave()
        with pytest.raises(ConnectionFailed, match="or '%tci attach', brings what it prints"):
            [message async for message in running]
        session_id = session.id
    assert session_id is not None
    each_service.come_back()
    async with live_session(each_service.base_url, server.token) as session:
        session.attach(session_id)
        go.touch()
        joined = [message async for message in session.join(Cell(""))]
        assert printed(joined).endswith("ended\n")
        assert printed(await messages_of(session, "print('next')", number=2)) == "next\n"


async def test_a_session_outlives_signals_at_any_moment(
    service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    """As services send them to code whose caller has hung up, be it only just begun or ended."""
    ledger = Ledger(tmp_path / "ledger")

    async def strike(pid: int) -> None:
        while True:
            os.kill(pid, signal.SIGINT)
            await asyncio.sleep(0.002)

    async with live_session(service.base_url, server.token) as session:
        begun = await messages_of(session, "import os; print(os.getppid())")
        striking = asyncio.create_task(strike(int(printed(begun))))
        for number in range(100):
            ledger.check(number, await messages_of(session, ledger.code(number), number=number))
        striking.cancel()
    assert ledger.wrong == []
    assert ledger.written() == list(range(100))


@pytest.fixture
def driver(service: Gateway, server: ServerProcess) -> Iterator[KernelDriver]:
    """A kernel at the gateway, with a session."""
    where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": server.token}
    with kernel("tci", "--RemoteSession.retry_for=2", **where) as made:
        assert made.run("import os, time").reply["status"] == "ok"
        yield made


def test_a_network_that_is_away_for_long_is_told_of_and_the_next_cell_has_the_rest(
    driver: KernelDriver, service: Gateway, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    code = f"print('begun')\ntime.sleep(3)\nprint('ended')\nopen({str(done)!r}, 'w').close()"
    running = driver.client.execute(code, allow_stdin=True, stop_on_error=False)
    driver.until_printed(running, "begun\n")
    service.leave()
    driver.until_published(running, lambda one: "Trying again in" in str(one["content"]), "notice")
    reply = driver.finish(running).reply
    assert (reply["status"], reply["ename"]) == ("error", "ConnectionFailed")
    assert "The code goes on there: the next cell" in reply["evalue"]
    until(done.exists, "the end of the cell that goes on")
    service.come_back()
    following = driver.client.execute("print('next')")
    # It belongs to the cell that it is of, wherever a client shows that.
    assert driver.until_printed(running, "ended\n") == "ended\n"
    assert driver.reply(following)["content"]["status"] == "ok"
    assert driver.run("print('after')").text() == "after\n"
    assert service.refused == []


def test_an_interrupt_while_the_network_is_away_arrives_once_it_is_back(
    driver: KernelDriver, service: Gateway, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    code = f"""
print('begun')
try:
    time.sleep(600)
except KeyboardInterrupt:
    open({str(stopped)!r}, 'w').close()
"""
    running = driver.client.execute(code, allow_stdin=True, stop_on_error=False)
    driver.until_printed(running, "begun\n")
    service.leave()
    driver.until_published(running, lambda one: "Trying again in" in str(one["content"]), "notice")
    driver.interrupt()
    reply = driver.finish(running).reply
    assert reply["ename"] == "KeyboardInterrupt"
    assert "is reached again: then it is interrupted." in reply["evalue"]
    service.come_back()
    until(stopped.exists, "the interrupt of the code there")
    assert driver.run("print('after')").text() == "after\n"


async def test_a_large_output_is_no_reason_to_go_on_asking(
    service: Gateway, server: ServerProcess, tmp_path: Path
) -> None:
    # Who asks meanwhile makes the next cell wait, where calls run one after another.
    async with live_session(service.base_url, server.token) as session:
        assert len(printed(await messages_of(session, "print('x' * 1_000_000)"))) == 1_000_001
        await messages_of(session, "pass", number=2)
        connection = session._runner._live._made
        assert connection is not None
        assert connection.watch.alive == 0


async def test_what_is_said_to_widgets_waits_for_no_exchange_that_runs_on(
    service: Gateway, server: ServerProcess
) -> None:
    """It does so here: this gateway goes on with calls whose caller has hung up."""
    service.faults = (one_after_another(),)
    comm = {"comm_id": "c", "data": {}}

    async with live_session(service.base_url, server.token) as session:
        await messages_of(session, ECHO)
        await session.request(Message("comm_open", {**comm, "target_name": "echo"}))

        async def looks_at_once() -> bool:
            """Whether the next exchange that looks for what widgets say waits for nothing."""
            await session.request(Message("comm_msg", comm))
            service.forget()
            await soon(service.passed_code, "an exchange that looks for what widgets say")
            code = service.passed_code()[0]
            assert '"messages": []' in code
            return '"wait": 0.0' in code

        for _ in range(5):
            if await looks_at_once():
                break
        assert await looks_at_once()
        assert await looks_at_once()
