"""All commands of `%tci`, and how a line of them is run."""

from __future__ import annotations

import io
import shlex
from collections.abc import AsyncIterator
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import click

from tci_kernel.commands import files, sessions, settings, variables
from tci_kernel.commands.group import Context, tci
from tci_kernel.core.errors import UsageError
from tci_kernel.core.messages import Event, Stream

if TYPE_CHECKING:
    from tci_kernel.runtime import Request, Service

__all__ = ["MODULES", "run", "tci"]

# What each module adds to the group, by being imported.
MODULES = (sessions, files, variables, settings)


async def run(words: str, service: Service, request: Request) -> AsyncIterator[Event]:
    """Run one line and yield what it shows.

    Args:
        words: the line, without its `%tci`; quotes are those of a shell.
        service: what the kernel runs its cells at.
        request: the cell that the line stands in.

    Raises:
        UsageError: the line can't be understood; the text names the mistake.
        TCIError: as the command itself.
    """
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):  # a command's help
            events = tci.main(
                shlex.split(words),
                prog_name="%tci",
                standalone_mode=False,
                obj=Context(service, request),
            )
    except ValueError as error:
        raise UsageError(f"%tci {words}: {error}. Check the quotes.") from error
    except click.ClickException as error:
        raise UsageError(_explain(error)) from error
    if printed.getvalue():
        yield Stream("stdout", printed.getvalue())
    if isinstance(events, AsyncIterator):
        async for event in events:
            yield event


def _explain(error: click.ClickException) -> str:
    text = error.format_message()
    if isinstance(error, click.NoSuchOption):
        text += " A name that begins with '-' stands behind '--'."
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return text
    return f"{text}\n{context.get_usage()}\n'{context.command_path} --help' says more."
