"""`%tci save` and `load`: what the session is worth, in a file of this computer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

import click

from tci_kernel.commands.group import Invocation, Messages, command
from tci_kernel.commands.parameters import LOCAL_PATH
from tci_kernel.commands.progress import watched
from tci_kernel.commands.report import message, table, titled
from tci_kernel.core.messages import Message
from tci_kernel.core.text import printable, size
from tci_kernel.transfer.listing import check_session
from tci_kernel.transfer.state import Load, Save

# Where it goes if nothing is said.
DEFAULT = "session.tci"

# Rows of what did not work; a notebook should not hold more.
MAX_LISTED = 100


@command("save")
@click.argument("path", metavar="[FILE]", default=DEFAULT, type=LOCAL_PATH)
@click.option("--no-files", is_flag=True, help="Leave files of the session out.")
@click.option("--force", is_flag=True, help="Replace a file that is no saved state.")
async def save(invocation: Invocation, path: str, no_files: bool, force: bool) -> Messages:
    """Save the session into a file here: variables, files, packages, cells.

    What can't be saved is listed. %tci load gives it to another session.
    """
    session = await invocation.session()
    check_session(session)
    transfer = Save(session, _place(path), with_files=not no_files, force=force)
    report = partial(_saved, transfer, path)
    async with aclosing(watched(transfer, invocation.notice(), "Saving", report)) as messages:
        async for shown in messages:
            yield shown


def _place(path: str) -> Path:
    """Where a file is whose path was typed."""
    return Path(path).expanduser()


def _saved(transfer: Save, path: str, seconds: float) -> Message:
    what = _counted(transfer.variables, transfer.files)
    lines = [f"Saved {what} ({size(transfer.done)}) to {printable(path)} in {seconds:.1f} s."]
    lines += [f"Left out: {printable(text)}" for text in transfer.left_out[:MAX_LISTED]]
    return _listed(lines, transfer.lost, "Not saved")


@command("load")
@click.argument("path", metavar="FILE", type=LOCAL_PATH)
async def load(invocation: Invocation, path: str) -> Messages:
    """Give the session what %tci save has saved. That runs code which the file holds.

    Packages come first, then files, then variables. What fails is listed; the rest is loaded.
    """
    transfer = Load(await invocation.session(), _place(path))
    report = partial(_loaded, transfer)
    async with aclosing(watched(transfer, invocation.notice(), "Loading", report)) as messages:
        async for shown in messages:
            yield shown


def _loaded(transfer: Load, seconds: float) -> Message:
    lines = [f"Loaded {_counted(transfer.variables, transfer.files)} in {seconds:.1f} s."]
    if transfer.installed:
        lines.append(f"Installed: {', '.join(map(printable, transfer.installed))}.")
    lines += [printable(note) for note in transfer.notes]
    return _listed(lines, transfer.failed, "Not loaded")


def _counted(variables: int, files: int) -> str:
    """How many of both, in words."""
    what = "1 variable" if variables == 1 else f"{variables} variables"
    if files:
        what += " and 1 file" if files == 1 else f" and {files} files"
    return what


def _listed(lines: Sequence[str], rows: Sequence[tuple[str, str]], title: str) -> Message:
    """Lines, and below them a table of what did not work."""
    if not rows:
        return message("\n".join(lines))
    more = [(f"… and {len(rows) - MAX_LISTED} more", "")] if len(rows) > MAX_LISTED else []
    return titled("\n".join(lines), table((title, "Why"), [*rows[:MAX_LISTED], *more], ""))
