"""`%tci status`, `sessions`, `new`, `attach`, `replay`: the session that cells run in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from tci_kernel.client.schema import SessionInfo
from tci_kernel.commands.group import Context, Events, command
from tci_kernel.commands.report import facts, message, moment, table
from tci_kernel.core.errors import MissingKey, TCIError, UsageError
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.listing import listing
from tci_kernel.transfer.transfer import printable

# Seconds that the session has for listing its files; another notebook's cell may run in it.
FILES_LIMIT = 5.0


@command("status")
async def status(context: Context) -> Events:
    """Show the session, its age, the service and how far away it is."""
    session, client = context.service.session, context.service.client
    await context.service.find_key()
    listed: Sequence[SessionInfo] | None = None
    try:
        listed = await client.sessions()
        distance = f"{client.round_trip * 1000:.0f} ms"
    except MissingKey:
        distance = "not measured: there is no API key"
    except TCIError as error:
        distance = f"not reached: {str(error).splitlines()[0]}"
    place = "embedded in this kernel" if context.service.local else "remote"
    rows = [("Session", _named(session, listed))]
    for info in listed or ():
        if info.id == session.id:
            rows += [
                ("Started", moment(info.started_at)),
                ("Expires", moment(info.expires_at)),
                ("Cells run", f"{session.cells_run} (requests in all: {info.execute_count})"),
            ]
            rows.append(("Files", await _files(session)))
    rows += [("Service", f"{client.base_url} ({place})"), ("Round trip", distance)]
    yield facts(rows)


def _named(session: RemoteSession, listed: Sequence[SessionInfo] | None) -> str:
    """The session, and what is to be said of it; `listed` is None where there is no list."""
    if session.untold is not None:
        return f"none: {session.untold} has expired"
    if session.id is None:
        return "none: the next cell begins one"
    is_gone = listed is not None and session.id not in [info.id for info in listed]
    return session.id + " (not listed: it has expired, or is another key's)" * is_gone


async def _files(session: RemoteSession) -> str:
    """How many there are, and where."""
    try:
        async with asyncio.timeout(FILES_LIMIT):
            place, entries = await listing(session)
    except TimeoutError:
        return "not known: the session is busy"
    except TCIError as error:
        return f"not known: {str(error).splitlines()[0]}"
    return f"{len(entries)} in {printable(place)}"


@command("sessions")
async def sessions(context: Context) -> Events:
    """List your sessions at the service; * marks this notebook's."""
    session = await context.session()
    listed = await context.service.client.sessions()
    rows = [
        (
            "*" if info.id == session.id else "",
            info.id,
            moment(info.started_at),
            moment(info.expires_at),
            str(info.execute_count),
        )
        for info in listed
    ]
    columns = ("", "Session", "Started", "Expires", "Requests")
    yield table(columns, rows, "There are no sessions.")


@command("new")
async def new(context: Context) -> Events:
    """Start afresh: the next cell begins a new session. The old one stays until it expires."""
    session = context.service.session
    old = session.id
    session.forget()
    text = "The next cell begins a new session."
    if old is not None:
        text += f" To come back to the old one: %tci attach {old}"
    yield message(text)


@command("attach")
@click.argument("session_id", metavar="ID")
async def attach(context: Context, session_id: str) -> Events:
    """Run the next cells in the session ID, with its variables and files."""
    session = await context.session()
    listed = [info.id for info in await context.service.client.sessions()]
    if session_id not in listed:
        known = "\n".join(listed) or "none"
        raise UsageError(
            f"The service lists no session {session_id!r} of yours: it has expired, or is "
            f"another key's. This notebook stays where it was.\nYour sessions: {known}"
        )
    session.attach(session_id)
    yield message(f"Cells now run in session {session_id}.")


@command("replay")
@click.option(
    "--from",
    "first",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    help="The first cell's number.",
)
@click.option("--to", "last", metavar="M", type=click.IntRange(1), help="The last cell's number.")
async def replay(context: Context, first: int, last: int | None) -> Events:
    """Run this session's successful cells again, in a new session; stop at the first error."""
    session = await context.session()
    numbers = list(session.replayable())
    if not any(first <= number <= (last or number) for number in numbers):
        known = "none has succeeded"
        if numbers:
            known = f"those that succeeded have numbers from {min(numbers)} to {max(numbers)}"
        raise UsageError(
            f"There is nothing to run again: of this session's cells, {known}. Nothing has changed."
        )
    async for event in session.replay(interactive=context.interactive, first=first, last=last):
        yield event
    yield message(session.replayed())
