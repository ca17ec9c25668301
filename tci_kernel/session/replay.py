"""Cells that ran before, run again in a new session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import ReplayFailed
from tci_kernel.core.messages import Message


async def replay(
    cells: Sequence[Cell], run: Callable[[Cell], AsyncGenerator[Message]]
) -> AsyncGenerator[str]:
    """Run cells in order, and say how far it is. What they print and show is not shown again.

    Args:
        cells: the cells.
        run: runs one of them.

    Raises:
        ReplayFailed: a cell failed; none after it has run.
        TCIError: as `run`.
    """
    for place, cell in enumerate(cells, 1):
        yield f"Running cell {place} of {len(cells)} again"
        await _run_quietly(cell, run, f"Cell {place} of {len(cells)}")


async def _run_quietly(
    cell: Cell, run: Callable[[Cell], AsyncGenerator[Message]], name: str
) -> None:
    # A cell that shows nothing of its own can have no notice either.
    async with aclosing(run(replace(cell, frontend=None))) as messages:
        content = [message.content async for message in messages][-1]
    if content["status"] == "error":
        raise ReplayFailed(
            f"{name} failed when it was run again: {content['ename']}: {content['evalue']}",
            fate="None after it has run.",
            advice=f"The cell was:\n{cell.code}",
        )
