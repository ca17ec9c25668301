"""What is asked beside the cells: nobody waits long for it, and a late answer is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tci_kernel.core.messages import Message
from tci_kernel.session.live import questions
from tci_kernel.session.live.questions import Questions
from tests.support.waiting import PATIENCE, soon

# Seconds that somebody waits who is not patient.
MOMENT = 0.02


class Answerer:
    """Answers when a test says so."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Message | None]] = []
        self.ended = 0

    async def __call__(self, _request: Message) -> Message | None:
        future: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self.asked.append(future)
        try:
            return await future
        finally:
            self.ended += 1

    async def answer(self, text: str, number: int = 0) -> None:
        """Answer the question with a number, once it is asked."""
        await soon(lambda: len(self.asked) > number, f"question {number}")
        self.asked[number].set_result(reply(text))


def question(code: str, kind: str = "complete_request") -> Message:
    return Message(kind, {"code": code})


def reply(text: str) -> Message:
    return Message("complete_reply", {"matches": [text]})


@pytest.fixture
def answerer() -> Answerer:
    return Answerer()


@pytest.fixture
async def asking(answerer: Answerer) -> AsyncIterator[Questions]:
    asking = Questions(answerer)
    yield asking
    asking.close()
    await soon(lambda: answerer.ended == len(answerer.asked), "the end of all questions")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a completion."""
    monkeypatch.setattr(questions, "_LIMITS", {"complete_request": MOMENT})


async def test_a_question_is_answered(asking: Questions, answerer: Answerer) -> None:
    asked = asyncio.create_task(asking.ask(question("a")))
    await answerer.answer("first")
    assert await asked == reply("first")


@pytest.mark.usefixtures("impatient")
async def test_a_late_answer_is_given_once_to_the_same_question(
    asking: Questions, answerer: Answerer
) -> None:
    assert await asking.ask(question("a")) is None
    assert await asking.ask(question("a")) is None
    await answerer.answer("late")
    await soon(lambda: answerer.ended, "the late answer")
    assert await asking.ask(question("a")) == reply("late")
    assert len(answerer.asked) == 1
    assert await asking.ask(question("a")) is None
    assert len(answerer.asked) == 2


@pytest.mark.usefixtures("impatient")
async def test_another_question_does_not_wait_for_the_first(
    asking: Questions, answerer: Answerer
) -> None:
    assert await asking.ask(question("a")) is None
    asked = asyncio.create_task(asking.ask(question("b")))
    await answerer.answer("b's", 1)
    assert await asked == reply("b's")


@pytest.mark.usefixtures("impatient")
async def test_after_a_cell_a_late_answer_is_old(asking: Questions, answerer: Answerer) -> None:
    assert await asking.ask(question("a")) is None
    asking.forget()
    await answerer.answer("old")
    assert await asking.ask(question("a")) is None
    assert len(answerer.asked) == 2


@pytest.mark.usefixtures("impatient")
async def test_what_has_no_limit_is_waited_for(asking: Questions, answerer: Answerer) -> None:
    asked = asyncio.create_task(asking.ask(question("a", "debug_request")))
    done, _ = await asyncio.wait({asked}, timeout=3 * MOMENT)
    assert not done
    await answerer.answer("at last")
    assert await asyncio.wait_for(asked, PATIENCE) == reply("at last")


@pytest.mark.usefixtures("impatient")
async def test_a_failure_is_no_answer_whenever_it_comes(
    asking: Questions, answerer: Answerer, caplog: pytest.LogCaptureFixture
) -> None:
    assert await asking.ask(question("a")) is None
    answerer.asked[0].set_exception(OSError())
    await soon(lambda: answerer.ended, "the failure")
    assert await asking.ask(question("a")) is None
    assert await asking.ask(question("b")) is None
    answerer.asked[1].set_exception(OSError())
    asking.forget()
    await soon(lambda: answerer.ended == 2, "the failure that nobody asks for")
    assert caplog.messages == []


@pytest.mark.usefixtures("impatient")
async def test_closed_nothing_is_waited_for_be_it_forgotten_or_not(answerer: Answerer) -> None:
    asking = Questions(answerer)
    assert await asking.ask(question("a")) is None
    asking.forget()
    assert await asking.ask(question("b")) is None
    asking.close()
    await soon(lambda: answerer.ended == 2, "the end of both questions")
    assert all(future.cancelled() for future in answerer.asked)


async def test_who_is_cancelled_leaves_the_question_to_others(
    asking: Questions, answerer: Answerer
) -> None:
    asked = asyncio.create_task(asking.ask(question("a")))
    await soon(lambda: answerer.asked, "the question")
    asked.cancel()
    await asyncio.wait({asked})
    again = asyncio.create_task(asking.ask(question("a")))
    await answerer.answer("kept")
    assert await again == reply("kept")
