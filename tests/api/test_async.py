"""The Python API on an event loop, and the other one in a thread whose loop is running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tci_kernel import AsyncClient, Client
from tci_kernel.api import events
from tci_kernel.core.errors import UsageError
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

WAITS = """\
import pathlib, time
ended = "no"
try:
    print("begun", flush=True)
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.01)
    ended = "by itself"
except KeyboardInterrupt:
    ended = "interrupted"
    raise
"""


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url=server.base_url, api_key=server.token) as made:
        yield made


async def test_events_come_while_the_code_runs(client: AsyncClient, tmp_path: Path) -> None:
    go = tmp_path / "go"
    found: list[events.Event] = []
    async with (
        client.session() as session,
        aclosing(session.execute(WAITS.format(go=str(go)))) as stream,
    ):
        async for event in stream:
            found.append(event)
            if isinstance(event, events.Stream):
                go.touch()  # it ends only because its output has arrived before
    assert isinstance(found[-1], events.Reply)
    assert found[-1].error is None


async def test_who_leaves_the_iteration_stops_the_code(client: AsyncClient, tmp_path: Path) -> None:
    async with client.session() as session:
        async with aclosing(session.execute(WAITS.format(go=str(tmp_path / "go")))) as stream:
            async for event in stream:
                if isinstance(event, events.Stream):
                    break
        assert (await session.run("print(ended)")).stdout.endswith("interrupted\n")


async def test_a_task_that_is_cancelled_stops_the_code(client: AsyncClient, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def consume() -> None:
        async for event in session.execute(WAITS.format(go=str(tmp_path / "go"))):
            if isinstance(event, events.Stream):
                begun.set()

    async with client.session() as session:
        consuming = asyncio.create_task(consume())
        await asyncio.wait_for(begun.wait(), PATIENCE)
        consuming.cancel()
        await asyncio.wait({consuming}, timeout=PATIENCE)
        assert consuming.cancelled()
        assert (await session.run("print(ended)")).stdout.endswith("interrupted\n")


async def test_sessions_run_beside_each_other_and_one_is_interrupted(
    client: AsyncClient, tmp_path: Path
) -> None:
    async with (
        client.session() as first,
        client.session() as second,
        aclosing(first.execute(WAITS.format(go=str(tmp_path / "go")))) as stream,
    ):
        found: list[events.Event] = []
        async for event in stream:
            found.append(event)
            if isinstance(event, events.Stream):
                assert (await second.run("print(6 * 7)")).stdout == "42\n"
                assert {first.id, second.id} <= {one.id for one in await client.sessions()}
                first.interrupt()
    assert isinstance(found[-1], events.Reply)
    assert found[-1].error is not None
    assert found[-1].error.name == "KeyboardInterrupt"


async def test_questions_are_answered_by_a_coroutine(client: AsyncClient) -> None:
    async def answer(question: events.Question) -> str:
        await asyncio.sleep(0)
        return question.prompt.upper()

    async with client.session() as session:
        result = await session.run("print(input('who? '))", answer=answer)
    assert result.stdout.endswith("WHO? \n")


async def test_files_and_the_end(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    async with client.session() as session:
        assert (await session.upload(tmp_path / "a.txt")).sizes == {"a.txt": 5}
        assert [entry.name for entry in await session.files()] == ["a.txt"]
        await session.download("a.txt", to=tmp_path / "b.txt")
        assert await session.remove("a.txt") == 1
    assert (tmp_path / "b.txt").read_text() == "hello"
    assert session.id not in {info.id for info in await client.sessions()}
    with pytest.raises(UsageError, match=r"closed here"):
        await session.files()


async def test_the_other_client_works_where_an_event_loop_is_running(
    server: ServerProcess,
) -> None:
    assert asyncio.get_running_loop().is_running()
    with (
        Client(base_url=server.base_url, api_key=server.token) as client,
        client.session() as session,
    ):
        printed = [
            event.text
            for event in session.execute("print(6 * 7)")
            if isinstance(event, events.Stream)
        ]
    assert printed == ["42\n"]
