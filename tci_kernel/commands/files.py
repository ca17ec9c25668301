"""`%tci upload`, `download`, `ls`, `rm`: the session's files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

import click

from tci_kernel.commands.group import Invocation, Messages, command
from tci_kernel.commands.parameters import LOCAL_PATH, REMOTE_PATH
from tci_kernel.commands.progress import watched
from tci_kernel.commands.report import message, table, titled
from tci_kernel.core.messages import Message
from tci_kernel.core.text import duration, printable, size
from tci_kernel.transfer.download import Download
from tci_kernel.transfer.listing import Entry, check_session, listing, remove
from tci_kernel.transfer.sources import find_sources
from tci_kernel.transfer.transfer import Transfer
from tci_kernel.transfer.upload import Upload

# Rows of a table, of what was asked for and of what was done; a notebook should not hold more.
MAX_LISTED = 1_000
MAX_TRANSFERRED = 20

_MINUTE = 60


@command("upload")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=LOCAL_PATH)
@click.option("--to", metavar="DIR", default=".", type=REMOTE_PATH, help="Into this directory.")
@click.option("--exclude", metavar="PAT", multiple=True, help="Leave out what matches PAT.")
async def upload(
    invocation: Invocation, paths: Sequence[str], to: str, exclude: Sequence[str]
) -> Messages:
    """Copy files, directories and what patterns match into the session.

    What is there under the same name is replaced. In directories and patterns, what git ignores
    is left out.
    """
    sources = await asyncio.to_thread(find_sources, paths, exclude)
    transfer = Upload(await invocation.session(), sources, to)
    told = partial(report, transfer, "Uploaded", to)
    async with aclosing(watched(transfer, invocation.notice(), "Uploading", told)) as messages:
        async for shown in messages:
            yield shown


@command("download")
@click.argument("paths", metavar="REMOTE...", nargs=-1, required=True, type=REMOTE_PATH)
@click.option(
    "--to",
    metavar="PATH",
    default=".",
    type=LOCAL_PATH,
    help="Into this directory or, if it is none, under this name.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
async def download(invocation: Invocation, paths: Sequence[str], to: str, force: bool) -> Messages:
    """Copy files, directories and what patterns match from the session."""
    session = await invocation.session()
    check_session(session)
    transfer = Download(session, paths, to, force=force)
    told = partial(report, transfer, "Downloaded", to)
    async with aclosing(watched(transfer, invocation.notice(), "Downloading", told)) as messages:
        async for shown in messages:
            yield shown


def report(transfer: Transfer, verb: str, to: str, seconds: float) -> Message:
    """What has been transferred: in a line, and if it is several files, in a table."""
    sizes = [(name, size(count)) for name, count in transfer.sizes.items()]
    what = f"{len(sizes)} files"
    if len(sizes) == 1:
        what = sizes[0][0]
    elif not sizes and not transfer.directories and transfer.there:
        what = "nothing"
    elif not sizes:
        count = transfer.directories
        what = "a directory without files" if count == 1 else f"{count} directories without files"
    place = "" if to in (".", "") else f" to {printable(to)}"
    lines = [f"{verb} {what} ({size(transfer.done)}){place} in {_taken(seconds)}."]
    lines += [f"Left out: {printable(text)}" for text in transfer.left_out]
    if transfer.there:
        names = ", ".join(map(printable, transfer.there[:MAX_TRANSFERRED]))
        more = "" if len(transfer.there) <= MAX_TRANSFERRED else ", …"
        lines.append(f"There already, since the session works on these files: {names}{more}.")
    if len(sizes) <= 1:
        return message("\n".join(lines))
    return titled("\n".join(lines), table(("Name", "Size"), _bounded(sizes, MAX_TRANSFERRED), ""))


def _taken(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < _MINUTE else duration(seconds)


@command("ls")
@click.argument("path", metavar="[PATH]", default=".", type=REMOTE_PATH)
async def ls(invocation: Invocation, path: str) -> Messages:
    """List the session's files: those of the working directory, or of PATH."""
    place, entries = await listing(await invocation.session(), path)
    rows = [_row(entry) for entry in entries]
    columns = ("Name", "Kind", "Size", "Changed")
    yield table(columns, _bounded(rows, MAX_LISTED), f"Nothing is in {printable(place)}.")


def _row(entry: Entry) -> tuple[str, str, str, str]:
    is_directory = entry.kind == "directory"
    name = entry.name + "/" * is_directory
    if entry.target is not None:
        name += f" -> {entry.target}"
    return (
        name,
        entry.kind,
        size(entry.size) if entry.kind == "file" else "",
        "" if entry.changed is None else _changed(entry.changed),
    )


def _changed(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):  # a file's time can be any number
        return "not known"


def _bounded(rows: Sequence[tuple[str, ...]], limit: int) -> Sequence[tuple[str, ...]]:
    if len(rows) <= limit:
        return rows
    more = f"… and {len(rows) - limit} more"
    return [*rows[:limit], (more, *[""] * (len(rows[0]) - 1))]


@command("rm")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=REMOTE_PATH)
@click.option("-r", "--recursive", is_flag=True, help="Directories too, with all that is in them.")
async def rm(invocation: Invocation, paths: Sequence[str], recursive: bool) -> Messages:
    """Remove files of the session."""
    count = await remove(await invocation.session(), paths, recursive=recursive)
    what = printable(paths[0]) if len(paths) == count == 1 else f"{count} files and directories"
    yield message(f"Removed {what}.")
