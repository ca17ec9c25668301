"""`%tci save`, `load`, `migrate`: what the session is worth, in a file here or a new session."""

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
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.listing import check_session
from tci_kernel.transfer.migration import Migration
from tci_kernel.transfer.state import Load, Loaded, Save

# Both commands that save take it.
RERUN = click.option(
    "--rerun", is_flag=True, help="Let cells run again that use files, the network or the clock."
)

# Where it goes if nothing is said.
DEFAULT = "session.tci"

# Rows of what did not work; a notebook should not hold more.
MAX_LISTED = 100


@command("save")
@click.argument("path", metavar="[FILE]", default=DEFAULT, type=LOCAL_PATH)
@click.option("--no-files", is_flag=True, help="Leave files of the session out.")
@RERUN
@click.option("--force", is_flag=True, help="Replace a file that is no saved state.")
async def save(
    invocation: Invocation, path: str, no_files: bool, rerun: bool, force: bool
) -> Messages:
    """Save the session into a file here: variables, files, packages, cells.

    What can't be saved, or is sooner computed than copied, is made again by its cells when it is
    loaded, if they are sure to give the same. What is lost is listed. %tci load gives it to another
    session.
    """
    session = await invocation.session()
    check_session(session)
    transfer = Save(session, _place(path), with_files=not no_files, reruns=rerun, force=force)
    report = partial(_saved, transfer, path)
    async with aclosing(watched(transfer, invocation.notice(), "Saving", report)) as messages:
        async for shown in messages:
            yield shown


@command("migrate")
@click.option("--no-files", is_flag=True, help="Leave files of the session behind.")
@RERUN
async def migrate(invocation: Invocation, no_files: bool, rerun: bool) -> Messages:
    """Go on in a new session, with all that this one has. The old one stays until it expires.

    A new session costs. What can't be carried over is listed.
    """
    session = await invocation.session()
    check_session(session)
    transfer = Migration(session, with_files=not no_files, reruns=rerun)
    old = session.id or ""
    report = partial(_moved, transfer, old, session)
    async with aclosing(watched(transfer, invocation.notice(), "Moving", report)) as messages:
        async for shown in messages:
            yield shown


def _moved(transfer: Migration, old: str, session: RemoteSession, seconds: float) -> Message:
    loaded = transfer.loaded
    what = f"{_counted(loaded.variables, loaded.files)} ({size(transfer.done)})"
    lines = [
        f"This notebook runs in {session.id} now, with {what}. It took {seconds:.1f} s.",
        f"{old} stays until it expires.",
        *_told(loaded),
    ]
    return _listed(lines, [*transfer.saved.lost, *loaded.failed], "Not there")


def _place(path: str) -> Path:
    """Where a file is whose path was typed."""
    return Path(path).expanduser()


def _saved(transfer: Save, path: str, seconds: float) -> Message:
    saved = transfer.saved
    what = _counted(saved.variables, saved.files)
    lines = [f"Saved {what} ({size(transfer.done)}) to {printable(path)} in {seconds:.1f} s."]
    if saved.again:
        lines.append(
            f"To load it runs {_cells(saved.again)} again, which took {saved.seconds:.1f} s."
        )
    lines += [f"Left out: {printable(text)}" for text in transfer.left_out[:MAX_LISTED]]
    return _listed(lines, saved.lost, "Not saved")


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
    loaded = transfer.loaded
    lines = [f"Loaded {_counted(loaded.variables, loaded.files)} in {seconds:.1f} s."]
    return _listed([*lines, *_told(loaded)], loaded.failed, "Not loaded")


def _told(loaded: Loaded) -> list[str]:
    """What there is to say of what a session has got."""
    lines = []
    if loaded.installed:
        lines.append(f"Installed: {', '.join(map(printable, loaded.installed))}.")
    if loaded.again:
        lines.append(f"Ran {_cells(loaded.again)} again.")
    return [*lines, *map(printable, loaded.notes)]


def _cells(numbers: Sequence[int]) -> str:
    """Cells by their numbers, in words."""
    return f"{'cell' if len(numbers) == 1 else 'cells'} {', '.join(map(str, numbers))}"


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
