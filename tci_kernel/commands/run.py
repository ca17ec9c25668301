"""All commands of `%tci`, and how a line of them is run."""

from __future__ import annotations

import io
import shlex
from collections.abc import AsyncGenerator
from contextlib import aclosing, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from tci_kernel.commands import files, journal, sessions, settings, state, variables
from tci_kernel.commands.group import Invocation, Messages, tci
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import UsageError
from tci_kernel.core.messages import stream

if TYPE_CHECKING:
    from tci_kernel.runtime import Runtime

__all__ = ["MODULES", "called", "run", "tci"]

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
    messages, printed = called(tci, words, Invocation(runtime, cell))
    if printed:
        yield stream("stdout", printed)
    if isinstance(messages, AsyncGenerator):
        async with aclosing(messages):
            async for message in messages:
                yield message


def called(command: click.Command, words: str, invocation: object = None) -> tuple[Any, str]:
    """What a command returns to a line of words, and its help if they ask for that.

    Args:
        command: its name stands before the words.
        words: quotes are those of a shell.
        invocation: what the command is called with.

    Raises:
        UsageError: the line can't be understood; the text names the mistake.
    """
    name, printed = str(command.name), io.StringIO()
    try:
        with redirect_stdout(printed):  # where click writes help
            given = command.main(
                shlex.split(words), prog_name=name, standalone_mode=False, obj=invocation
            )
    except ValueError as error:
        raise UsageError(f"{name} {words}: {error}.", advice="Check the quotes.") from error
    except click.ClickException as error:
        raise _usage_error(error) from error
    return given, printed.getvalue()


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
