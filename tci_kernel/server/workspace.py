"""What a server asks of whatever runs its sessions, wherever that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tci_kernel.client.schema import Output
from tci_kernel.server.files import Decoded


class Workspace(Protocol):
    """A working directory, and an interpreter in it, which may be another later.

    Attributes:
        session_id: of the session that it is for; no two have the same.
    """

    session_id: str

    async def execute(self, code: str, files: Decoded) -> list[Output]:
        """Write files, run code, and give its outputs. One call at a time.

        If the call is cancelled, the code is interrupted. If the interpreter dies, the outputs end
        in an error that says so, and what is run next starts another one.

        Args:
            code: what is run.
            files: see `files.decode`.

        Raises:
            RequestRejected: a file can't be written, or no interpreter starts.
            WorkspaceLost: see `tidy`.
        """

    async def exchange(
        self, request: dict[str, Any], files: Mapping[int, Decoded]
    ) -> tuple[str, int]:
        """Answer an exchange. Several may wait at once.

        Args:
            request: see `docs/exchange.md`; checked.
            files: of its messages, by their numbers; those of new ones are written first.

        Returns:
            the answer, as JSON, and how many cells of users were new in the request.

        Raises:
            RequestRejected: a file can't be written.
            WorkspaceLost: see `tidy`.
        """

    async def hello(self) -> str:
        """The greeting of exchanges, as JSON; see `docs/exchange.md`.

        Raises:
            WorkspaceLost: see `tidy`.
        """

    async def tidy(self) -> None:
        """Remove what there is of an interpreter that has died, but for its files.

        Raises:
            WorkspaceLost: all that there was is gone, with the machine that it was on.
        """

    async def close(self, reason: str) -> None:
        """Kill the interpreter and remove its files.

        Args:
            reason: what a running call is told.
        """


class WorkspaceLost(Exception):
    """A workspace is gone. Its text says why."""


class WorkspaceSupply(Protocol):
    """Where sessions get their workspaces from."""

    def prepare_spare(self) -> None:
        """Have one ready for the next `take`, where that is worth it."""

    async def take(self) -> Workspace:
        """Give a workspace whose interpreter runs.

        Raises:
            RequestRejected: there can be none, or its interpreter does not start.
        """

    async def close(self) -> None:
        """Let go of what is held, once all workspaces are closed."""
