"""All commands of `%tci`, and how a line of them is run."""

from __future__ import annotations

import io
import shlex
from collections.abc import AsyncGenerator
from contextlib import aclosing, redirect_stdout
from typing import TYPE_CHECKING

import click

from tci_kernel.commands import files, journal, sessions, settings, state, variables
from tci_kernel.commands.group import Invocation, Messages, tci
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import UsageError
from tci_kernel.core.messages import stream

if TYPE_CHECKING:
    from tci_kernel.runtime import Runtime

__all__ = ["MODULES", "run", "tci"]

# What each module adds to the group, by being imported.
MODULES = (sessions, files, variables, state, journal, settings)


async def run(words: str, runtime: Runtime, cell: Cell) -> Messages:
    """Run one line and yield what it shows.

    Args:
        words: the line, without its `%tci`; quotes are those of a shell.
        runtime: what the notebook runs in.
        cell: the cell that the line stands in.

    Raises:
        UsageError: the line can't be understood; the text names the mistake.
        TCIError: as the command itself.
    """
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):  # a command's help
            messages = tci.main(
                shlex.split(words),
                prog_name="%tci",
                standalone_mode=False,
                obj=Invocation(runtime, cell),
            )
    except ValueError as error:
        raise UsageError(f"%tci {words}: {error}.", advice="Check the quotes.") from error
    except click.ClickException as error:
        raise _usage_error(error) from error
    if printed.getvalue():
        yield stream("stdout", printed.getvalue())
    if isinstance(messages, AsyncGenerator):
        async with aclosing(messages):
            async for message in messages:
                yield message


def _usage_error(error: click.ClickException) -> UsageError:
    """What is wrong with a line, and how its command is called."""
    text = error.format_message()
    if isinstance(error, click.NoSuchOption):
        text += " A name that begins with '-' stands behind '--'."
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return UsageError(text)
    usage = context.get_usage()
    return UsageError(f"{text}\n{usage}", advice=f"'{context.command_path} --help' says more.")
