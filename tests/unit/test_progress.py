"""How a transfer is watched: a bar if it takes a while, and nothing left running at its end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tci_kernel.commands import progress
from tci_kernel.commands.progress import watched
from tci_kernel.commands.report import message
from tci_kernel.core.errors import TransferFailed
from tci_kernel.core.messages import Message
from tci_kernel.session.notice import Notice
from tci_kernel.transfer.transfer import Transfer


class Slow(Transfer):
    """A transfer that goes on until it is let go, and notes how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 8_000
        self.go = asyncio.Event()
        self.error: TransferFailed | None = None
        self.ended = ""

    async def run(self) -> None:
        try:
            self.done = 2_000
            await self.go.wait()
            if self.error is not None:
                raise self.error
            self.done = self.total
            self.ended = "complete"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show a bar without waiting."""
    monkeypatch.setattr(progress, "SHOW_AFTER", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)


def text(shown: Message) -> str:
    plain: str = shown.content["data"]["text/plain"]
    return plain


def report(seconds: float) -> Message:
    return message("Done.")


async def test_the_report_takes_the_place_of_the_bar() -> None:
    transfer = Slow()
    async with aclosing(watched(transfer, Notice(enabled=True), "Moving", report)) as messages:
        bar = await anext(messages)
        transfer.go.set()
        rest = [shown async for shown in messages]
    assert text(bar).startswith("Moving: ")
    assert "2.00k/8.00k" in text([bar, *rest][-2])
    assert text(rest[-1]) == "Done."
    assert rest[-1].type == "update_display_data"
    assert {shown.content["transient"]["display_id"] for shown in rest} == {
        bar.content["transient"]["display_id"]
    }


async def test_where_nobody_looks_only_the_report_is_shown() -> None:
    transfer = Slow()
    transfer.go.set()
    async with aclosing(watched(transfer, Notice(enabled=False), "Moving", report)) as messages:
        shown = [shown async for shown in messages]
    assert [text(one) for one in shown] == ["Done."]
    assert shown[0].type == "display_data"


async def test_closing_it_ends_the_transfer() -> None:
    transfer = Slow()
    async with aclosing(watched(transfer, Notice(enabled=True), "Moving", report)) as messages:
        await anext(messages)
    assert transfer.ended == "cancelled"
    assert len(asyncio.all_tasks()) == 1


async def watch(transfer: Transfer, shown: list[Message], began: asyncio.Event) -> None:
    """Watch a transfer to its end; what is shown is gathered."""
    async with aclosing(watched(transfer, Notice(enabled=True), "Moving", report)) as messages:
        async for one in messages:
            shown.append(one)
            began.set()


async def test_a_failure_says_how_far_it_came() -> None:
    transfer = Slow()
    transfer.error = TransferFailed("broken")
    shown: list[Message] = []
    with pytest.raises(TransferFailed):
        await watch(transfer, shown, transfer.go)
    assert text(shown[-1]) == "Moving ended after 2.0 kB of 8.0 kB."


async def test_cancelling_who_iterates_ends_the_transfer() -> None:
    transfer = Slow()
    shown: list[Message] = []
    began = asyncio.Event()
    task = asyncio.create_task(watch(transfer, shown, began))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transfer.ended == "cancelled"
    assert text(shown[-1]) == "Moving ended after 2.0 kB of 8.0 kB."
