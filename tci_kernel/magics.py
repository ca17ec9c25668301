"""The `%tci` lines at the top of a cell, which the kernel handles itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tci_kernel.errors import UsageError
from tci_kernel.events import Event
from tci_kernel.session import RemoteSession

_USAGE = "There is only '%tci replay': it runs this session's successful cells in a new session."


def split(code: str) -> tuple[list[str], str]:
    """The leading `%tci` lines of a cell, without the `%tci`, and the rest of it."""
    commands = []
    rest = code
    while rest.lstrip().startswith("%tci"):
        line, _, remainder = rest.lstrip().partition("\n")
        name, _, command = line.partition(" ")
        if name.strip() != "%tci":
            break
        commands.append(command.strip())
        rest = remainder
    return commands, rest


async def run(command: str, session: RemoteSession, *, interactive: bool) -> AsyncIterator[Event]:
    """Run one command and yield what it shows.

    Raises:
        UsageError: there is no such command.
        TCIError: as the command itself.
    """
    if command != "replay":
        raise UsageError(_USAGE)
    async for event in session.replay(interactive=interactive):
        yield event
