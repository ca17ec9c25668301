"""Runs cells live where that can be had, else directly: decided once for each session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from enum import StrEnum

from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import ExecutionRefused
from tci_kernel.core.messages import Message
from tci_kernel.session.direct.runner import DirectRunner
from tci_kernel.session.live.installation import LiveUnavailable
from tci_kernel.session.live.runner import LiveRunner
from tci_kernel.session.runner import Runner
from tci_kernel.session.state import SessionState


class Execution(StrEnum):
    """The ways of running cells that a user may choose."""

    AUTO = "auto"
    LIVE = "live"
    DIRECT = "direct"


class AutomaticRunner:
    """Runs cells live, and directly in a session where that can't be. See `Runner`.

    Args:
        live: the live way.
        direct: the direct way.
        state: the session.
        execution: what the user has chosen.

    Attributes:
        reason: why cells of the present session are run directly; empty where they are run live.
    """

    def __init__(
        self, live: LiveRunner, direct: DirectRunner, state: SessionState, execution: Execution
    ) -> None:
        self._live = live
        self._direct = direct
        self._state = state
        self._execution = execution
        self._reason = ""
        self._decided_for: str | None = None

    @property
    def reason(self) -> str:
        """Why the session's cells are run directly; empty where they are run live."""
        if self._execution is Execution.DIRECT:
            return "TCIKernel.execution says so"
        return self._reason if self._decided_for == self._state.id else ""

    async def run(self, cell: Cell) -> AsyncGenerator[Message]:
        """Run a cell. See `Runner.run`."""
        if not self.reason:
            try:
                async with aclosing(self._live.run(cell)) as messages:
                    async for message in messages:
                        yield message
                return
            except LiveUnavailable as unavailable:
                self._go_directly(unavailable)
        async with aclosing(self._direct.run(cell)) as messages:
            async for message in messages:
                yield message

    async def join(self, cell: Cell) -> AsyncGenerator[Message]:
        """See `Runner.join`."""
        await self.prepare()
        if not self.reason:
            try:
                async with aclosing(self._live.join(cell)) as messages:
                    async for message in messages:
                        yield message
                return
            except LiveUnavailable as unavailable:
                self._go_directly(unavailable)
                await self.prepare()
        async with aclosing(self._direct.join(cell)) as messages:
            async for message in messages:
                yield message

    @property
    def is_restartable(self) -> bool:
        """See `Runner.is_restartable`."""
        return self._way().is_restartable

    async def facts(self) -> Sequence[tuple[str, str]]:
        """The way, why it is the direct one, and what that one tells."""
        way = f"direct: {self.reason}" if self.reason else "live"
        return [("Execution", way), *await self._way().facts()]

    async def prepare(self) -> None:
        """See `Runner.prepare`."""
        if not self.reason:
            try:
                await self._live.prepare()
            except LiveUnavailable as unavailable:
                self._go_directly(unavailable)
        if self.reason:
            await self._direct.prepare()

    def _go_directly(self, unavailable: LiveUnavailable) -> None:
        """Go on directly in this session, at once and for good.

        Raises:
            ExecutionRefused: the user wants the live way or none.
        """
        if self._execution is Execution.LIVE:
            raise ExecutionRefused(
                f"The session can't run cells live: {unavailable}.",
                fate="The code did not run.",
                advice="Set TCIKernel.execution to 'auto' or 'direct'.",
            ) from unavailable
        self._reason, self._decided_for = str(unavailable), self._state.id

    async def request(self, request: Message) -> Message | None:
        """See `Runner.request`."""
        return await self._way().request(request)

    def interrupt(self) -> bool:
        """See `Runner.interrupt`."""
        return self._way().interrupt()

    @property
    def origin(self) -> str | None:
        """See `Runner.origin`."""
        return self._way().origin

    async def aclose(self) -> None:
        """See `Runner.aclose`."""
        await self._live.aclose()
        await self._direct.aclose()

    def _way(self) -> Runner:
        return self._direct if self.reason else self._live
