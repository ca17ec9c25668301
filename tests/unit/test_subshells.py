"""Subshells have a name here and an id there, and are made when they are needed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tci_kernel.core.messages import Message
from tci_kernel.session.live.subshells import FEATURE, Subshells


class Interpreter:
    """Answers as an interpreter does, and remembers what it was asked.

    Attributes:
        info: what it says of itself.
        fails: how many of its next answers do not come.
    """

    def __init__(self, *features: str) -> None:
        self.info: dict[str, Any] = {"supported_features": [*features]}
        self.asked: list[Message] = []
        self.fails = 0

    async def ask(self, request: Message) -> Message | None:
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            return None
        return Message("create_subshell_reply", {"subshell_id": f"id-{len(self.asked)}"})

    def subshells(self) -> Subshells:
        return Subshells(self.ask, lambda: self.info)


async def test_a_subshell_is_made_once_whoever_needs_it_first() -> None:
    interpreter = Interpreter("debugger", FEATURE)
    subshells = interpreter.subshells()
    found = await asyncio.gather(*(subshells.id_of("a") for _ in range(3)))
    assert found == ["id-1"] * 3
    assert await subshells.id_of("b") == "id-2"
    assert await subshells.id_of("a") == "id-1"
    assert [request.type for request in interpreter.asked] == ["create_subshell_request"] * 2


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"supported_features": []},
        {"supported_features": None},
        {"supported_features": FEATURE},
        {"supported_features": 7},
    ],
)
async def test_an_interpreter_without_subshells_is_not_asked(info: dict[str, Any]) -> None:
    interpreter = Interpreter()
    interpreter.info = info
    assert await interpreter.subshells().id_of("a") is None
    assert {request.type for request in interpreter.asked} <= {"usage_request"}


async def test_what_an_interpreter_can_do_comes_with_its_first_answer() -> None:
    interpreter = Interpreter(FEATURE)
    features, interpreter.info = interpreter.info, {}

    async def ask(request: Message) -> Message | None:
        interpreter.info = features
        return await interpreter.ask(request)

    assert await Subshells(ask, lambda: interpreter.info).id_of("a") == "id-2"
    assert [one.type for one in interpreter.asked] == ["usage_request", "create_subshell_request"]


async def test_what_could_not_be_made_is_tried_again() -> None:
    interpreter = Interpreter(FEATURE)
    interpreter.fails = 1
    subshells = interpreter.subshells()
    assert await asyncio.gather(*(subshells.id_of("a") for _ in range(2))) == [None, None]
    assert await subshells.id_of("a") == "id-2"


async def test_a_deleted_one_is_deleted_there_and_made_anew() -> None:
    interpreter = Interpreter(FEATURE)
    subshells = interpreter.subshells()
    await subshells.id_of("a")
    await asyncio.gather(subshells.delete("a"), subshells.delete("a"))
    assert interpreter.asked[1] == Message("delete_subshell_request", {"subshell_id": "id-1"})
    await subshells.id_of("a")
    assert interpreter.asked[-1].type == "create_subshell_request"


async def test_what_was_never_made_is_not_deleted() -> None:
    interpreter = Interpreter(FEATURE)
    await interpreter.subshells().delete("a")
    assert interpreter.asked == []


async def test_a_failure_is_no_subshell() -> None:
    async def ask(_request: Message) -> Message | None:
        raise OSError

    assert await Subshells(ask, lambda: {"supported_features": [FEATURE]}).id_of("a") is None
