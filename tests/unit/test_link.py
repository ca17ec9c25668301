"""The way to a relay: what it says of itself, and what happens where that is not what was known."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tci_kernel.core.errors import InvalidAnswer
from tci_kernel.remote.exchanges import CLIENTS, VERSION
from tci_kernel.remote.relay import BEGIN, END
from tci_kernel.session.live.exchange import request_text
from tci_kernel.session.live.installation import LiveUnavailable
from tci_kernel.session.live.link import Link
from tci_kernel.session.live.ways import RelayLost
from tci_kernel.session.session import RemoteSession
from tests.support.counting import EXTENSIONS, counted
from tests.support.faulty import Action, answer, faulty_server
from tests.support.live import live_session, messages_of, printed
from tests.support.scripted import client_of
from tests.support.servers import ServerProcess
from tests.support.waiting import soon

HELLO = {"version": VERSION, "relay": "one", "count": 1}
STATE = {"number": 1, "state": "ready", "reason": "", "before": "", "pid": 7, "info": {}}
ANSWER = {
    "version": VERSION,
    "relay": "one",
    "taken": 0,
    "first": 1,
    "more": False,
    "running": [],
    "count": 1,
    "took": 0.0,
    "interpreter": STATE,
    "messages": [],
}


def exchanged(**fields: Any) -> Action:
    """The answer to an exchange."""
    return answer(("stdout", BEGIN + json.dumps({**ANSWER, **fields}) + END))


def greeted(**fields: Any) -> Action:
    """The answer to sending the relay."""
    return answer(("stdout", BEGIN + json.dumps({**HELLO, **fields}) + END))


def ignore(_trouble: str) -> None:
    """What nobody reads."""


async def install(link: Link) -> None:
    """Send the relay; nothing is to be in the way."""
    assert [trouble async for trouble in link.install()] == []


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        ({"version": VERSION + 1}, "the relay there is of version 2, not 1"),
        ({"version": None}, "the relay there is of version None, not 1"),
        ({"count": "many"}, "the relay's answer can't be read: its count is 'many'"),
        ({"count": [1]}, "the relay's answer can't be read: its count is [1]"),
        ({"count": 0}, "the relay's answer can't be read: its count is 0"),
    ],
)
async def test_a_relay_that_is_not_ours_is_not_used(hello: dict[str, Any], reason: str) -> None:
    with faulty_server([greeted(**hello)]) as service:
        async with client_of(service) as client:
            link = Link(client, None, RemoteSession(client))
            with pytest.raises(LiveUnavailable) as raised:
                await install(link)
    assert str(raised.value) == reason
    assert len(service.executions) == 1


async def test_a_relay_that_has_taken_less_than_before_has_forgotten_us() -> None:
    answers = [greeted(), exchanged(taken=1), exchanged(taken=0)]
    with faulty_server(answers) as service:
        async with client_of(service) as client:
            link = Link(client, None, RemoteSession(client))
            await install(link)
            link.send("none")
            await link.exchange(0, ignore)
            link.send("none")
            with pytest.raises(RelayLost) as raised:
                await link.exchange(0, ignore)
    assert "which has forgotten this one" in str(raised.value)


async def test_another_relay_is_not_taken_for_ours() -> None:
    with faulty_server([greeted(), exchanged(), exchanged(relay="two")]) as service:
        async with client_of(service) as client:
            link = Link(client, None, RemoteSession(client))
            await install(link)
            await link.exchange(0, ignore)
            with pytest.raises(RelayLost) as raised:
                await link.exchange(0, ignore)
    assert "variables are gone" in str(raised.value)


@pytest.mark.parametrize("without", [(), EXTENSIONS], ids=["exchange", "relay"])
async def test_who_is_forgotten_among_many_kernels_connects_again(
    server: ServerProcess, without: Sequence[str]
) -> None:
    with counted(server.base_url, without=without) as proxy:
        await _is_forgotten(proxy.base_url, server.token, has_relay=bool(without))


async def _is_forgotten(base_url: str, token: str, *, has_relay: bool) -> None:
    async with live_session(base_url, token) as session:
        await messages_of(session, "x = 6")
        for number in range(2 * CLIENTS):  # an exchange of the session may come between
            fields = {"client": f"other-{number}", "acknowledged": 0, "first": 1, "wait": 0}
            text = request_text({**fields, "gather": 0, "limit": 1000, "describe": False}, [])
            assert session.id is not None
            if has_relay:
                relay = "__import__('sys').modules['_tci_kernel_relay']"
                await session._client.execute(f"{relay}.exchange({text!r})", session.id)
            else:
                await session._client.exchange(session.id, text)
        with pytest.raises(InvalidAnswer, match="which has forgotten this one"):
            await messages_of(session, "x += 1", number=2)
        assert printed(await messages_of(session, "print(x)", number=3)) == "6\n"


async def test_what_a_program_prints_that_nobody_waits_for_is_shown_nowhere(
    server: ServerProcess, tmp_path: Path
) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    code = f"""
import os, time
open({str(begun)!r}, 'w').close()
while not os.path.exists({str(gate)!r}): time.sleep(0.01)
print('of the program')
"""
    async with live_session(server.base_url, server.token) as session:
        await messages_of(session, "pass")
        program = asyncio.create_task(messages_of(session, code, hidden=True))
        await soon(begun.exists, "the program's beginning")
        program.cancel()
        await asyncio.wait({program})
        gate.touch()
        assert printed(await messages_of(session, "print('own')")) == "own\n"
