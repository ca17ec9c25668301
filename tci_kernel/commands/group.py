"""The group that commands join, and what they work with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from tci_kernel.core.messages import Event
from tci_kernel.session.notice import Notice

if TYPE_CHECKING:
    from tci_kernel.runtime import Request, Service
    from tci_kernel.session.session import RemoteSession

P = ParamSpec("P")
Events = AsyncIterator[Event]


@dataclass(frozen=True, slots=True)
class Context:
    """What a command works with.

    Attributes:
        service: what the kernel runs its cells at.
        request: the cell that the command stands in.
    """

    service: Service
    request: Request

    @property
    def interactive(self) -> bool:
        """Whether somebody sits in front of the cell and may be shown how far a command is."""
        return self.request.ask is not None

    def notice(self) -> Notice:
        """What shows how far the command is, for as long as it runs."""
        return Notice(enabled=self.interactive and self.service.session.show_progress)

    async def session(self) -> RemoteSession:
        """The session, once there is a key: for commands that send something.

        Raises:
            MissingKey: there is none, and nobody to ask for it.
        """
        await self.service.ensure_key(self.request)
        return self.service.session


# A notebook is wider than the terminal that click takes it for.
@click.group("%tci", invoke_without_command=True, context_settings={"terminal_width": 100})
@click.pass_context
def tci(context: click.Context) -> Events | None:
    """What the kernel does around the cells. Alone: `%tci status`."""
    if context.invoked_subcommand is not None:
        return None
    events: Events = context.invoke(tci.commands["status"])
    return events


def command(name: str) -> Callable[[Callable[Concatenate[Context, P], Events]], click.Command]:
    """Make an async iterator of events a sub-command of `%tci`; its docstring is its help.

    It is called with a `Context`, and then what click's decorators below this one ask for.
    """

    def register(function: Callable[Concatenate[Context, P], Events]) -> click.Command:
        made: click.Command = tci.command(name)(click.pass_obj(function))
        return made

    return register
