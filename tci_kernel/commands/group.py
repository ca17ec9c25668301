"""The group that commands join, and what they are called with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from tci_kernel.core.cell import Cell
from tci_kernel.core.messages import Message
from tci_kernel.core.text import WIDTH
from tci_kernel.session.notice import Notice

if TYPE_CHECKING:
    from tci_kernel.runtime import Runtime
    from tci_kernel.session.session import RemoteSession

P = ParamSpec("P")
Messages = AsyncGenerator[Message, None]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a command.

    Attributes:
        runtime: what the notebook runs in.
        cell: the cell that the command stands in.
    """

    runtime: Runtime
    cell: Cell

    def notice(self) -> Notice:
        """What shows how far the command is, for as long as it runs."""
        return Notice(enabled=self.cell.interactive and self.runtime.session.show_progress)

    async def session(self) -> RemoteSession:
        """The session, once there is a key: for commands that send something.

        Raises:
            MissingKey: there is none, and nobody to ask for it.
        """
        await self.runtime.ensure_key(self.cell)
        return self.runtime.session


# A notebook is wider than the terminal that click takes it for.
@click.group("%tci", invoke_without_command=True, context_settings={"terminal_width": WIDTH})
@click.pass_context
def tci(context: click.Context) -> Messages | None:
    """What the kernel does around the cells. Alone: `%tci status`."""
    if context.invoked_subcommand is not None:
        return None
    messages: Messages = context.invoke(tci.commands["status"])
    return messages


def command(name: str) -> Callable[[Callable[Concatenate[Invocation, P], Messages]], click.Command]:
    """Make an async generator of messages a sub-command of `%tci`; its docstring is its help.

    It is called with an `Invocation`, and then what click's decorators below this one ask for.
    """

    def register(function: Callable[Concatenate[Invocation, P], Messages]) -> click.Command:
        made: click.Command = tci.command(name)(click.pass_obj(function))
        return made

    return register


def help_of(name: str) -> str | None:
    """What a command's own help says; None if there is no such command."""
    made = tci.commands.get(name)
    if made is None:
        return None
    parent = click.Context(tci, info_name="%tci", **tci.context_settings)
    return made.get_help(click.Context(made, parent=parent, info_name=name))
