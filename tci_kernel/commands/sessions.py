"""`%tci status`, `sessions`, `new`, `end`, `attach`, `replay`: the session that cells run in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import click

from tci_kernel.client.schema import SessionInfo
from tci_kernel.commands.group import Invocation, Messages, command
from tci_kernel.commands.machine import machine
from tci_kernel.commands.report import facts, message, table
from tci_kernel.core.errors import Interrupted, MissingKey, TCIError, UsageError
from tci_kernel.core.text import duration, moment
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.listing import listing

# Seconds that the session has to tell of itself; another notebook's cell may run in it.
INSIDE_LIMIT = 5.0


@command("status")
async def status(invocation: Invocation) -> Messages:
    """Show the session, its age, what it runs on, the service and how far away it is."""
    session, client = invocation.runtime.session, invocation.runtime.client
    await invocation.runtime.find_key()
    listed: Sequence[SessionInfo] | None = None
    try:
        listed = await client.sessions()
        distance = f"{client.round_trip * 1000:.0f} ms"
    except MissingKey:
        distance = "not measured: there is no API key"
    except TCIError as error:
        distance = f"not reached: {error.what}"
    place = "embedded in this kernel" if invocation.runtime.local else "remote"
    rows = [("Session", _named(session, listed))]
    for info in listed or ():
        if info.id == session.id:
            rows += [
                ("Started", moment(info.started_at)),
                ("Expires", moment(info.expires_at)),
                ("Cells run", f"{session.cells_run} (requests in all: {info.execute_count})"),
            ]
            rows += [*await session.facts(), *await _inside(session)]
    if not invocation.runtime.local:
        rows.append(("Begun here", _begun(session)))
    rows += [("Service", f"{client.address} ({place})"), ("Round trip", distance)]
    yield facts(rows)


def _named(session: RemoteSession, listed: Sequence[SessionInfo] | None) -> str:
    """The session, and what is to be said of it; `listed` is None where there is no list."""
    if session.expired_unnoticed is not None:
        return f"none: {session.expired_unnoticed} has expired"
    if session.id is None:
        return "none: the next cell begins one"
    is_gone = listed is not None and session.id not in [info.id for info in listed]
    return session.id + " (not listed: it has expired, or is another key's)" * is_gone


def _begun(session: RemoteSession) -> str:
    """How many sessions this notebook has begun, and what they have cost if a price is known."""
    count = "1 session" if session.begun == 1 else f"{session.begun} sessions"
    if session.session_price is None:
        return count
    return f"{count}, {session.begun * session.session_price:g} at {session.session_price:g} each"


async def _inside(session: RemoteSession) -> Sequence[tuple[str, str]]:
    """What only the session itself can say: what it runs on, how many files it has, and where."""
    try:
        async with asyncio.timeout(INSIDE_LIMIT):
            runs_on = await machine(session)
            place, entries = await listing(session)
    except TimeoutError:
        unknown = "not known: the session is busy"
    except Interrupted:
        raise
    except TCIError as error:
        unknown = f"not known: {error.what}"
    else:
        return [*runs_on, ("Files", f"{len(entries)} in {place}")]
    return [("Machine", unknown), ("Files", unknown)]


@command("sessions")
async def sessions(invocation: Invocation) -> Messages:
    """List your sessions at the service; * marks this notebook's."""
    session = await invocation.session()
    listed = await invocation.runtime.client.sessions()
    rows = [
        (
            "*" if info.id == session.id else "",
            info.id,
            _distance(info.started_at),
            _distance(info.expires_at),
            str(info.execute_count),
        )
        for info in listed
    ]
    columns = ("", "Session", "Age", "Expires in", "Requests")
    begun = "the next cell begins one"
    if session.id is not None:
        begun = "this notebook's has expired, or is another key's"
    yield table(columns, rows, f"There are no sessions: {begun}.")


def _distance(time: datetime | None) -> str:
    """How far a time is from now, in either direction."""
    if time is None:
        return "not known"
    return duration(abs((time - datetime.now(UTC)).total_seconds()))


@command("new")
async def new(invocation: Invocation) -> Messages:
    """Start afresh: the next cell begins a new session. The old one stays until it expires."""
    session = invocation.runtime.session
    old = session.id
    session.forget()
    lines = ["The next cell begins a new session."]
    if old is not None:
        lines.append(f"To come back to the old one: %tci attach {old}")
    yield message("\n".join([*lines, *_replay_advice(session)]))


def _replay_advice(session: RemoteSession) -> Sequence[str]:
    """How what succeeded runs again in another session; nothing where nothing did."""
    cells = len(session.replayable())
    again = f"To run what succeeded before in the new one ({cells}): %tci replay"
    return [again] if cells else []


@command("end")
async def end(invocation: Invocation) -> Messages:
    """End the session, with its variables and files. The next cell begins a new one."""
    session, client = await invocation.session(), invocation.runtime.client
    old = session.id
    if old is None:
        yield message("There is no session: the next cell begins one.")
        return
    await client.sessions()  # by its answer the service says what it can do
    if not session.can_end:
        raise UsageError(
            f"{client.address} has no way to end a session.",
            fate=f"{old} stays until it expires.",
            advice="%tci new goes on without it.",
        )
    await session.end()
    ended = f"{old} has ended. The next cell begins a new session."
    yield message("\n".join([ended, *_replay_advice(session)]))


@command("attach")
@click.argument("session_id", metavar="ID")
async def attach(invocation: Invocation, session_id: str) -> Messages:
    """Run the next cells in the session ID, with its variables and files.

    What a cell prints there, and has printed since nobody listened, is shown until the cell ends.
    """
    session = await invocation.session()
    listed = [info.id for info in await invocation.runtime.client.sessions()]
    if session_id not in listed:
        raise UsageError(
            f"The service lists no session {session_id!r} of yours: it has expired, or is "
            "another key's.",
            fate="This notebook stays where it was.",
            advice="\n".join(["Your sessions:", *(listed or ["none"])]),
        )
    session.attach(session_id)
    yield message(f"Cells now run in session {session_id}.")
    async with aclosing(session.join(invocation.cell)) as messages:
        async for shown in messages:
            yield shown


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
async def replay(invocation: Invocation, first: int, last: int | None) -> Messages:
    """Run the cells that succeeded again, in a new session, until one fails."""
    session = await invocation.session()
    numbers = [cell.number for cell in session.replayable()]
    if not any(first <= number <= (last or number) for number in numbers):
        known = "none has succeeded"
        if numbers:
            known = f"those that succeeded have numbers from {min(numbers)} to {max(numbers)}"
        raise UsageError(
            f"There is nothing to run again: of the cells so far, {known}.",
            fate="Nothing has changed.",
        )
    interactive = invocation.cell.interactive
    again = session.replay(interactive=interactive, first=first, last=last)
    async with aclosing(again) as messages:
        async for shown in messages:
            yield shown
    yield message(session.replayed())
