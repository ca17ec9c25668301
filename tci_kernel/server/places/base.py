"""What a server asks of the place where an interpreter runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from typing import Any, Protocol

import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager

# Has the interpreter run code that leaves nothing behind, and gives what the code printed.
QuietRun = Callable[[str], Awaitable[str]]


class Place(Protocol):
    """A place for one interpreter after another, with a working directory of its own.

    Attributes:
        session_id: of the session that the interpreter is for; no two places have the same.
        is_contained: whether all that code starts there ends with the interpreter by itself.
        is_here: whether its process is one of this computer, that may be signalled.
    """

    session_id: str
    is_contained: bool
    is_here: bool

    @property
    def keeps_files(self) -> bool:
        """Whether the working directory is still there, once its interpreter has ended."""

    def make_manager(self, context: zmq.asyncio.Context) -> AsyncKernelManager:
        """What starts, signals and kills the interpreter.

        Args:
            context: the ZeroMQ context that its sockets are made in.
        """

    def opened(self) -> AbstractContextManager[dict[str, Any]]:
        """Make what the interpreter needs; gives the keyword arguments of `start_kernel`.

        Left once it has been called. Another interpreter finds the files of the one before it,
        as long as `keeps_files`.

        Raises:
            OSError: (on entry) there is no room for it.
        """

    async def enter(self, run: QuietRun) -> None:
        """Have the interpreter work in its directory, once it answers, where it does not yet.

        Args:
            run: what it can be asked with.

        Raises:
            ValueError, LookupError, TypeError, RecursionError: it can't.
        """

    async def leave(self, run: QuietRun) -> None:
        """Remove, before the interpreter is ended for good, what the server can't see."""

    def log(self) -> str:
        """The end of what the interpreter printed while it started."""

    def end_reason(self) -> str:
        """Why the place has ended its interpreter; empty if it has not."""

    async def write(self, files: Sequence[tuple[PurePosixPath, bytes]], run: QuietRun) -> None:
        """Write files into the working directory, while no code runs: all of them or none.

        Args:
            files: their names there, and contents; see `files.decode`.
            run: what the interpreter can be asked with.

        Raises:
            RequestRejected: one of them can't be written; says which and why.
        """

    def sweep(self) -> None:
        """Once the process has ended, end what its code has started beside it. Takes its time."""

    def close(self) -> None:
        """Once all that has ended, remove what there is of it. Takes its time."""


# Makes the place of a session, by its id and its number among all of a server.
Maker = Callable[[str, int], Place]
