"""Cells that ran before, run again in a new session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from tci_kernel.core.errors import ReplayFailed, TCIError
from tci_kernel.core.messages import Event, outcome
from tci_kernel.session.direct.sending import Cell
from tci_kernel.session.notice import Notice


async def replay(
    cells: Sequence[Cell], run: Callable[[Cell], AsyncIterator[Event]], notice: Notice
) -> AsyncIterator[Event]:
    """Run cells in order. What they print and show is not shown again.

    Args:
        cells: the cells.
        run: runs one of them.
        notice: tells how far it is, and goes away at the end.

    Raises:
        ReplayFailed: a cell failed; none after it has run.
        TCIError: as `run`.
    """
    try:
        for number, cell in enumerate(cells, 1):
            for event in notice.show(f"Running cell {number} of {len(cells)} again"):
                yield event
            await _run_quietly(cell, run, f"Cell {number} of {len(cells)}")
    except (TCIError, asyncio.CancelledError):
        for event in notice.wipe():
            yield event
        raise
    for event in notice.wipe():
        yield event


async def _run_quietly(cell: Cell, run: Callable[[Cell], AsyncIterator[Event]], name: str) -> None:
    # A cell that shows nothing of its own can have no notice either.
    failure = outcome([event async for event in run(replace(cell, interactive=False))])
    if failure is not None:
        raise ReplayFailed(
            f"{name} failed when it was run again, and none after it has run: "
            f"{failure.ename}: {failure.evalue}\nThe cell was:\n{cell.code}"
        )
