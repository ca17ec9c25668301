"""`%tci upload`, `download`, `ls`, `rm`: the session's files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from tci_kernel.commands.group import Context, Events, command
from tci_kernel.commands.parameters import LOCAL_PATH, REMOTE_PATH
from tci_kernel.commands.progress import watched
from tci_kernel.commands.report import message, size, table, titled
from tci_kernel.core.messages import Display
from tci_kernel.session.direct.sending import duration
from tci_kernel.transfer.download import Download
from tci_kernel.transfer.listing import Entry, check_session, listing, remove
from tci_kernel.transfer.sources import find_sources
from tci_kernel.transfer.transfer import Transfer, printable
from tci_kernel.transfer.upload import Upload

# Rows of a table, of what was asked for and of what was done; a notebook should not hold more.
MAX_LISTED = 1_000
MAX_TRANSFERRED = 20

_MINUTE = 60


@command("upload")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=LOCAL_PATH)
@click.option("--to", metavar="DIR", default=".", type=REMOTE_PATH, help="Into this directory.")
@click.option("--exclude", metavar="PAT", multiple=True, help="Leave out what matches PAT.")
async def upload(context: Context, paths: Sequence[str], to: str, exclude: Sequence[str]) -> Events:
    """Copy files, directories and what patterns match into the session.

    What is there under the same name is replaced. In directories and patterns, what git ignores
    is left out.
    """
    sources = await asyncio.to_thread(find_sources, paths, exclude)
    transfer = Upload(await context.session(), sources, to)
    async for event in _transferred(transfer, context, ("Uploading", "Uploaded"), to):
        yield event


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
async def download(context: Context, paths: Sequence[str], to: str, force: bool) -> Events:
    """Copy files, directories and what patterns match from the session."""
    session = await context.session()
    check_session(session)
    transfer = Download(session, paths, to, force=force)
    async for event in _transferred(transfer, context, ("Downloading", "Downloaded"), to):
        yield event


async def _transferred(
    transfer: Transfer, context: Context, words: tuple[str, str], to: str
) -> Events:
    start = time.perf_counter()
    notice = context.notice()
    async for event in watched(transfer, notice, words[0]):
        yield event
    seconds = time.perf_counter() - start
    place = "" if to in (".", "") else f" to {printable(to)}"
    for event in notice.replace(_report(transfer, words[1], place, seconds)):
        yield event


def _report(transfer: Transfer, verb: str, place: str, seconds: float) -> Display:
    """What has been transferred: in a line, and if it is several files, in a table."""
    sizes = [(printable(name), size(count)) for name, count in transfer.sizes.items()]
    what = f"{len(sizes)} files"
    if len(sizes) == 1:
        what = sizes[0][0]
    elif not sizes:
        count = transfer.directories
        what = "a directory without files" if count == 1 else f"{count} directories without files"
    lines = [f"{verb} {what} ({size(transfer.done)}){place} in {_taken(seconds)}."]
    lines += [f"Left out: {printable(text)}" for text in transfer.left_out]
    if len(sizes) <= 1:
        return message("\n".join(lines))
    return titled("\n".join(lines), table(("Name", "Size"), _bounded(sizes, MAX_TRANSFERRED), ""))


def _taken(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < _MINUTE else duration(seconds)


@command("ls")
@click.argument("path", metavar="[PATH]", default=".", type=REMOTE_PATH)
async def ls(context: Context, path: str) -> Events:
    """List the session's files: those of the working directory, or of PATH."""
    place, entries = await listing(await context.session(), path)
    rows = [_row(entry) for entry in entries]
    columns = ("Name", "Kind", "Size", "Changed")
    yield table(columns, _bounded(rows, MAX_LISTED), f"Nothing is in {printable(place)}.")


def _row(entry: Entry) -> tuple[str, str, str, str]:
    is_directory = entry.kind == "directory"
    name = printable(entry.name) + "/" * is_directory
    if entry.target is not None:
        name += f" -> {printable(entry.target)}"
    return (
        name,
        printable(entry.kind),
        size(entry.size) if entry.kind == "file" else "",
        "" if entry.changed is None else _moment(entry.changed),
    )


def _moment(seconds: float) -> str:
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
async def rm(context: Context, paths: Sequence[str], recursive: bool) -> Events:
    """Remove files of the session."""
    count = await remove(await context.session(), paths, recursive=recursive)
    what = printable(paths[0]) if len(paths) == count == 1 else f"{count} files and directories"
    yield message(f"Removed {what}.")
