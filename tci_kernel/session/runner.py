"""The seam: what every way of running cells does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from tci_kernel.core.cell import Cell
from tci_kernel.core.messages import Message

# Seconds that who types waits for the session's answer to a question beside the cells. JupyterLab
# waits 1 s for completions.
QUESTION_LIMIT = 1.0

# Seconds that who asks about a name waits, which no client bounds.
INSPECTION_LIMIT = 5.0


class RunnerOptions(Protocol):
    """What the user has set that concerns the running of cells: traits of `RemoteSession`."""

    @property
    def retry_for(self) -> float:
        """Seconds for all pauses before a cell is sent again."""

    @property
    def cell_timeout(self) -> float | None:
        """Seconds after which a cell fails."""

    @property
    def show_progress(self) -> bool:
        """Whether notices are shown."""

    @property
    def transfer_size(self) -> int:
        """Bytes in one request, or in its answer."""

    @property
    def use_helper(self) -> bool:
        """Whether a helper is sent into the session."""


class Runner(Protocol):
    """A way of running cells in a session's interpreter.

    Whoever uses one does not ask which it is::

        async with aclosing(runner.run(cell)) as messages:
            async for message in messages:
                publish(message)
    """

    def run(self, cell: Cell) -> AsyncGenerator[Message]:
        """Run a cell, one at a time, and yield each message that it leads to, as it comes.

        The last one is its `execute_reply`. Closing the iteration gives up waiting for it.

        Raises:
            Interrupted: `interrupt` was called.
            TCIError: the cell did not run, or what became of it is not known.
        """

    async def request(self, request: Message) -> Message | None:
        """Ask the interpreter something beside the cells, and give its reply.

        Args:
            request: such as `complete_request`, `inspect_request`, `comm_msg`, `debug_request`.

        Returns:
            None where the interpreter can't answer now, or the request has no reply.
        """

    def interrupt(self) -> bool:
        """Stop the running cell, as Ctrl-C does; whether there is one."""

    def join(self, cell: Cell) -> AsyncGenerator[Message]:
        """Yield what runs in a session that was joined, until it ends; nothing where none can tell.

        Args:
            cell: who sits in front of it.

        Raises:
            TCIError: as `run`.
        """

    @property
    def is_restartable(self) -> bool:
        """Whether the interpreter can begin anew in the same session."""

    async def facts(self) -> Sequence[tuple[str, str]]:
        """What there is to say of how cells are run, each with a name, for the user to read."""

    async def prepare(self) -> None:
        """Do ahead of the first cell what can be done without running one.

        Raises:
            TCIError: the service can't be reached, or refuses.
        """

    @property
    def origin(self) -> str | None:
        """The directory in which the session began, where it had to be asked for."""

    async def aclose(self) -> None:
        """Let go of what is held. The interpreter lives on."""
