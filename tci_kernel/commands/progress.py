"""How a command shows how far a transfer is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tci_kernel.commands.group import Messages
from tci_kernel.commands.report import message
from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import Message
from tci_kernel.core.text import size
from tci_kernel.session.notice import Notice
from tci_kernel.transfer.transfer import Transfer

# Seconds before anything is shown, between two updates, and how wide the bar is in characters.
SHOW_AFTER = 1.0
INTERVAL = 0.25
BAR_WIDTH = 72


async def watched(
    transfer: Transfer, notice: Notice, title: str, report: Callable[[float], Message]
) -> Messages:
    """Run a transfer; if that takes a while, show a bar, which its report takes the place of.

    If the iteration is cancelled or closed, so is the transfer: it ends when it has cleaned up,
    which takes a bounded time.

    Args:
        transfer: not yet begun.
        notice: where the bar is shown.
        title: stands before the bar.
        report: gives what is shown at the end, by the seconds that it took.

    Raises:
        TCIError: as the transfer; the notice then says how far it came.
    """
    start = time.monotonic()
    task = asyncio.create_task(transfer.run())
    try:
        await asyncio.wait({task}, timeout=SHOW_AFTER)
        while not task.done():
            for bar in notice.show(_bar(transfer, title, time.monotonic() - start)):
                yield bar
            await asyncio.wait({task}, timeout=INTERVAL)
        task.result()
    except (TCIError, asyncio.CancelledError):
        await _end(task)
        if notice.is_shown:
            far = f"{size(transfer.done)} of {size(transfer.total)}"
            for last in notice.replace(message(f"{title} ended after {far}.")):
                yield last
        raise
    finally:
        await _end(task)
    for last in notice.replace(report(time.monotonic() - start)):
        yield last


async def _end(task: asyncio.Task[None]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # asyncio complains of one that nobody has asked for


def _bar(transfer: Transfer, title: str, seconds: float) -> str:
    from tqdm import tqdm  # noqa: PLC0415 - most transfers are over before

    return tqdm.format_meter(
        transfer.done,
        transfer.total,
        seconds,
        prefix=title,
        unit="B",
        unit_scale=True,
        ncols=BAR_WIDTH,
    )
