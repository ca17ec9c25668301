"""How a command shows how far a transfer is."""

from __future__ import annotations

import asyncio
import time

from tci_kernel.commands.group import Events
from tci_kernel.commands.report import message, size
from tci_kernel.core.errors import TCIError
from tci_kernel.session.notice import Notice
from tci_kernel.transfer.transfer import Transfer

# Seconds before anything is shown, between two updates, and how wide the bar is in characters.
SHOW_AFTER = 1.0
INTERVAL = 0.25
WIDTH = 72


async def watched(transfer: Transfer, notice: Notice, title: str) -> Events:
    """Run a transfer; if that takes a while, show a bar, which is left to be replaced.

    If the iteration is cancelled or closed, so is the transfer: it ends when it has cleaned up,
    which takes a bounded time.

    Args:
        transfer: not yet begun.
        notice: where the bar is shown.
        title: stands before the bar.

    Raises:
        TCIError: as the transfer; the notice then says how far it came.
    """
    start = time.monotonic()
    task = asyncio.create_task(transfer.run())
    try:
        await asyncio.wait({task}, timeout=SHOW_AFTER)
        while not task.done():
            for event in notice.show(_bar(transfer, title, time.monotonic() - start)):
                yield event
            await asyncio.wait({task}, timeout=INTERVAL)
        task.result()
    except (TCIError, asyncio.CancelledError):
        await _end(task)
        if notice.is_shown:
            far = f"{size(transfer.done)} of {size(transfer.total)}"
            for event in notice.replace(message(f"{title} ended after {far}.")):
                yield event
        raise
    finally:
        await _end(task)


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
        ncols=WIDTH,
    )
