"""A notice is shown in one place, and leaves nothing of itself in a saved notebook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any

import pytest

from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import Message, clear_output, display, stream
from tci_kernel.session.notice import Notice, NoticeWiped, ShownOutputs, noticed


def text(message: Message) -> str:
    plain: str = message.content["data"]["text/plain"]
    return plain


def is_shown(notice: Notice) -> bool:
    return notice.is_shown


def place(message: Message) -> str:
    """The id of the display that a message makes or updates."""
    display_id: str = message.content["transient"]["display_id"]
    return display_id


# -- Notice ----------------------------------------------------------------------------------------


def test_a_notice_is_shown_once_and_then_updated() -> None:
    notice = Notice(enabled=True)
    assert not is_shown(notice)
    first, second, third = (*notice.show("a"), *notice.show("b"), *notice.show("c"))
    assert is_shown(notice)
    assert [message.type for message in (first, second, third)] == [
        *("display_data", "update_display_data", "update_display_data"),
    ]
    assert [text(message) for message in (first, second, third)] == ["a", "b", "c"]
    assert place(first) == place(second) == place(third)


def test_a_notice_is_wiped_once_and_then_shown_in_another_place() -> None:
    notice = Notice(enabled=True)
    (first,) = notice.show("a")
    (wiped,) = notice.wipe()
    assert isinstance(wiped, NoticeWiped)
    assert wiped.display_id == place(first)
    assert not is_shown(notice)
    assert list(notice.wipe()) == []
    (again,) = notice.show("b")
    assert again.type == "display_data"
    assert place(again) != place(first)


def test_a_display_that_stays_takes_its_place() -> None:
    notice = Notice(enabled=True)
    (shown,) = notice.show("a")
    report = display({"text/plain": "done", "text/html": "<p>done</p>"})
    (replaced,) = notice.replace(report)
    assert replaced.type == "update_display_data"
    assert place(replaced) == place(shown)
    assert replaced.content["data"] == report.content["data"]
    assert not is_shown(notice)
    assert list(notice.replace(report)) == [report]


def test_where_nobody_looks_nothing_is_shown() -> None:
    notice = Notice(enabled=False)
    assert list(notice.show("a")) == list(notice.wipe()) == []
    assert not is_shown(notice)
    assert list(notice.replace(stream("stdout", "b"))) == [stream("stdout", "b")]


# -- noticed ---------------------------------------------------------------------------------------


class Said:
    """Texts, an end of them, and whether it was reached in order."""

    def __init__(self, *texts: str, end: BaseException | None = None) -> None:
        self._texts = texts
        self._end = end
        self.is_closed = False

    async def __call__(self) -> AsyncGenerator[str]:
        try:
            for each in self._texts:
                yield each
            if self._end is not None:
                raise self._end
        finally:
            self.is_closed = True


async def test_texts_are_shown_and_wiped_at_their_end() -> None:
    said = Said("a", "b")
    messages = [message async for message in noticed(said(), Notice(enabled=True))]
    assert [message.type for message in messages] == [
        *("display_data", "update_display_data", "clear_output"),
    ]
    assert said.is_closed


@pytest.mark.parametrize("end", [TCIError("no"), asyncio.CancelledError()])
async def test_they_are_wiped_before_what_ended_them_is_raised(end: BaseException) -> None:
    said = Said("a", end=end)
    async with aclosing(noticed(said(), Notice(enabled=True))) as messages:
        shown = [await anext(messages), await anext(messages)]
        with pytest.raises(type(end)):
            await anext(messages)
    assert [message.type for message in shown] == ["display_data", "clear_output"]
    assert said.is_closed


async def test_closed_it_closes_what_it_reads() -> None:
    said = Said("a", "b")
    messages = noticed(said(), Notice(enabled=True))
    await anext(messages)
    await messages.aclose()
    assert said.is_closed


async def test_without_texts_there_is_nothing_to_wipe() -> None:
    assert [message async for message in noticed(Said()(), Notice(enabled=True))] == []


# -- ShownOutputs ----------------------------------------------------------------------------------


def published(*messages: Message) -> list[Message]:
    shown = ShownOutputs()
    return [each for message in messages for each in shown.publishable(message)]


def kept(messages: Iterable[Message]) -> list[str]:
    """What a client still shows: as it handles displays, updates and wiping."""
    shown: list[list[Any]] = []
    is_wiping = False
    for message in messages:
        if message.type == "clear_output":
            is_wiping = bool(message.content["wait"])
            shown = shown if is_wiping else []
            continue
        shown, is_wiping = ([] if is_wiping else shown), False
        display_id = message.content.get("transient", {}).get("display_id")
        if message.type == "update_display_data":
            for each in shown:
                if each[0] == display_id:
                    each[1] = text(message)
        else:
            data = message.content.get("data", {}).get("text/plain")
            shown.append([display_id, message.content.get("text", data)])
    return [content for _, content in shown]


def with_notice(make: Callable[[Notice], Iterable[Message]]) -> list[Message]:
    return published(*make(Notice(enabled=True)))


def test_what_is_no_notice_passes_as_it_is() -> None:
    messages = [
        stream("stdout", "a"),
        display({"text/plain": "b"}),
        display({"text/plain": "c"}, transient={"display_id": "x"}),
        display({"text/plain": "d"}, transient={"display_id": "x"}, update=True),
        clear_output(wait=True),
        stream("stderr", "e"),
    ]
    assert published(*messages) == messages


def test_a_notice_alone_is_wiped_at_once() -> None:
    messages = with_notice(lambda notice: [*notice.show("a"), *notice.wipe()])
    assert messages[-1] == clear_output(wait=False)
    assert kept(messages) == []


def test_what_was_shown_before_a_notice_is_shown_again() -> None:
    def make(notice: Notice) -> list[Message]:
        return [
            stream("stdout", "a"),
            display({"text/plain": "b"}, transient={"display_id": "x"}),
            *notice.show("waits"),
            *notice.show("waits on"),
            display({"text/plain": "B"}, transient={"display_id": "x"}, update=True),
            *notice.wipe(),
            stream("stdout", "c"),
        ]

    messages = with_notice(make)
    assert clear_output(wait=True) in messages
    assert kept(messages) == ["a", "B", "c"]


def test_what_the_cell_has_cleared_is_not_shown_again() -> None:
    def make(notice: Notice) -> list[Message]:
        return [
            stream("stdout", "gone"),
            clear_output(),
            stream("stdout", "a"),
            *notice.show("waits"),
            *notice.wipe(),
        ]

    assert kept(with_notice(make)) == ["a"]


def test_a_notice_that_was_replaced_stays() -> None:
    def make(notice: Notice) -> list[Message]:
        report = display({"text/plain": "done"})
        return [
            *notice.show("waits"),
            *notice.replace(report),
            *notice.show("waits more"),
            *notice.wipe(),
        ]

    assert kept(with_notice(make)) == ["done"]


def test_an_update_of_an_earlier_cells_display_is_given_again_as_one() -> None:
    update = display({"text/plain": "b"}, transient={"display_id": "x"}, update=True)
    messages = with_notice(lambda notice: [update, *notice.show("waits"), *notice.wipe()])
    assert messages[-1] == update
