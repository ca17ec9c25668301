"""`%tci last` and `history`: what ran in this notebook, and what it showed."""

from __future__ import annotations

from dataclasses import replace

import click

from tci_kernel.commands.group import Invocation, Messages, command
from tci_kernel.commands.report import message, table
from tci_kernel.core.messages import Message
from tci_kernel.core.text import duration
from tci_kernel.session.journal import Entry

# Letters of a cell's first line.
SHORT = 40


@command("last")
@click.argument("count", metavar="[N]", default=1, type=click.IntRange(1))
async def last(invocation: Invocation, count: int) -> Messages:
    """Show again what the last cell, or the last N, have shown: also while no page was open.

    The kernel keeps it in memory, up to 32 MB of all cells.
    """
    ended = [one for one in invocation.runtime.journal.entries if one.seconds is not None]
    chosen = [one for one in ended if one.ran_code][-count:]
    if not chosen:
        yield message("No cell has run yet.")
    for entry in chosen:
        shown = entry.shown.messages()
        nothing = "" if shown else " It has shown nothing, or that is forgotten."
        took = duration(entry.seconds or 0)
        yield message(f"Cell {entry.number}, {_time(entry)}, {took}, {entry.outcome}.{nothing}")
        for each in shown:
            yield _again(each)


def _again(shown: Message) -> Message:
    """A message as another cell may show it: it has no value of its own to show."""
    if shown.type != "execute_result":
        return shown
    content = {name: shown.content[name] for name in ("data", "metadata")}
    return replace(shown, type="display_data", content=content)


@command("history")
async def history(invocation: Invocation) -> Messages:
    """List the cells that ran in this notebook: when, for how long, where, and how they ended."""
    rows = [
        (
            str(entry.number),
            _time(entry),
            "runs" if entry.seconds is None else duration(entry.seconds),
            entry.session_id or "",
            entry.outcome,
            _first_line(entry.code),
        )
        for entry in invocation.runtime.journal.entries
    ]
    columns = ("Cell", "Started", "Took", "Session", "Outcome", "Code")
    yield table(columns, rows, "No cell has run yet.")


def _time(entry: Entry) -> str:
    return f"{entry.started_at.astimezone():%H:%M:%S}"


def _first_line(code: str) -> str:
    lines = code.strip().splitlines() or [""]
    is_whole = len(lines) == 1 and len(lines[0]) <= SHORT
    return lines[0][:SHORT] + " …" * (not is_whole)
