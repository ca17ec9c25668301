"""How a process runs interpreters: where, of which kind, and what tidies up after them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import zmq.asyncio

from tci_kernel.server import limits
from tci_kernel.server.channels import MOST_MESSAGE
from tci_kernel.server.early import EarlyInterpreter
from tci_kernel.server.janitor import Janitor
from tci_kernel.server.local_workspace import LocalWorkspace
from tci_kernel.server.places.base import Maker
from tci_kernel.server.places.bubblewrap import Limits
from tci_kernel.server.places.foreign import ForeignPlace, is_foreign
from tci_kernel.server.places.host import HostOptions, HostPlace
from tci_kernel.server.places.sandbox import SandboxOptions, SandboxPlace
from tci_kernel.server.root import make_root


@dataclass(frozen=True, slots=True)
class InterpreterOptions:
    """What a server says of its interpreters. It can be sent to another computer.

    Attributes:
        kernel_name: their kernelspec.
        sandbox: what each may use, shut in; None where they have the rights of the process.
        directory: see `HostOptions`.
        uses_profile: see `HostOptions`.
    """

    kernel_name: str
    sandbox: Limits | None = None
    directory: Path | None = None
    uses_profile: bool = False


class Machine:
    """What the interpreters of a process share: a private directory, a janitor, ZeroMQ's context.

    Args:
        options: as above.
        sessions: how many may live at once.
        first_number: of its first place; see `Maker`.
        early: the first interpreter, if it was started already.
        is_detached: see `Janitor`.

    Attributes:
        options: as above.

    Raises:
        ConfigurationError: there is no place for the directory.
    """

    def __init__(
        self,
        options: InterpreterOptions,
        sessions: int,
        *,
        first_number: int = 1,
        early: EarlyInterpreter | None = None,
        is_detached: bool = False,
    ) -> None:
        self.options = options
        root = make_root() if early is None else early.root
        self._janitor = Janitor(root, is_detached=is_detached)
        self._make_place = _place_maker(options, root, self._janitor, early)
        self._next_number = first_number
        self._context = zmq.asyncio.Context()
        self._context.set(zmq.MAX_SOCKETS, limits.sockets_for(sessions))
        # A burst of displays must not overflow the queue in front of us.
        self._context.setsockopt(zmq.RCVHWM, 0)
        self._context.setsockopt(zmq.LINGER, 0)
        self._context.setsockopt(zmq.MAXMSGSIZE, MOST_MESSAGE)

    async def start_workspace(self, session_id: str) -> LocalWorkspace:
        """Start a workspace's interpreter whole, or leave nothing of it.

        Raises:
            RequestRejected: it does not start.
        """
        place = self._make_place(session_id, self._next_number)
        self._next_number += 1
        workspace = LocalWorkspace(place, self._context, self._janitor)
        try:
            await workspace.start()
        except BaseException:
            await asyncio.shield(workspace.close("never started"))
            raise
        return workspace

    def adopt_orphans(self) -> None:
        """End what code starts with its session, also where its interpreter has died first.

        For a process that has no children but interpreters. A foreign provisioner may have some of
        its own, which nobody could tell from orphans.
        """
        if not is_foreign(self.options.kernel_name):
            self._janitor.adopt_orphans()

    def close_sockets(self) -> None:
        """Close what is left of sockets, once all workspaces are closed."""
        self._context.destroy(linger=0)

    def close(self) -> None:
        """Remove the directory, and all that is left of interpreters. Takes its time."""
        self._janitor.close()


def _place_maker(
    options: InterpreterOptions, root: Path, janitor: Janitor, early: EarlyInterpreter | None
) -> Maker:
    if options.sandbox is not None:
        shut_in = SandboxOptions(options.kernel_name, options.sandbox, root, janitor)
        return partial(SandboxPlace, shut_in)
    if is_foreign(options.kernel_name):
        return partial(ForeignPlace, options.kernel_name, root)
    on_host = HostOptions(
        options.kernel_name,
        root,
        janitor.environment,
        directory=options.directory,
        uses_profile=options.uses_profile,
        early=early,
    )
    return partial(HostPlace, on_host)
