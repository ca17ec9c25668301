"""A session's workspace as the server sees it: the actor that holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack, suppress
from typing import Any, NoReturn

from tci_kernel.client.schema import Output
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server.files import Decoded
from tci_kernel.server.ray.actor import HEALTH
from tci_kernel.server.ray.calls import Unreachable, result
from tci_kernel.server.workspace import WorkspaceLost

# Seconds without a word after which an actor counts as lost, whatever Ray still thinks of its node.
SILENCE_LIMIT = 8

# Seconds that an actor has to end its interpreter, and its calls to answer.
_CLOSE_TIMEOUT = 10.0


class RayWorkspace:
    """A workspace in an actor. See `Workspace`.

    Args:
        session_id: of the session that it is for.
        actor: its handle; its process runs.
        held: ends the actor, and gives back the room that it has, when it is closed.
    """

    def __init__(self, session_id: str, actor: Any, held: ExitStack) -> None:
        self.session_id = session_id
        self._actor = actor
        self._held = held
        self._calls: set[asyncio.Task[Any]] = set()
        self._loss: asyncio.Future[WorkspaceLost] = asyncio.get_running_loop().create_future()
        self._watcher = asyncio.create_task(self._watch())

    async def start(self) -> None:
        """Start the first interpreter.

        Raises:
            RequestRejected: it did not start.
            WorkspaceLost: see `Workspace`.
        """
        await self._answer(self._actor.start.remote(self.session_id))

    async def execute(self, code: str, files: Decoded) -> list[Output]:
        """See `Workspace`."""
        outputs: list[Output] = await self._answer(self._actor.execute.remote(code, files))
        return outputs

    async def exchange(
        self, request: dict[str, Any], files: Mapping[int, Decoded]
    ) -> tuple[str, int]:
        """See `Workspace`."""
        answer: tuple[str, int] = await self._answer(self._actor.exchange.remote(request, files))
        return answer

    async def hello(self) -> str:
        """See `Workspace`."""
        greeting: str = await self._answer(self._actor.hello.remote())
        return greeting

    async def tidy(self) -> None:
        """See `Workspace`. An interpreter that has died is the actor's to remove."""
        if self._loss.done():
            self._raise_loss()

    async def close(self, reason: str) -> None:
        """See `Workspace`."""
        if not self._loss.done():
            with suppress(WorkspaceLost, RequestRejected, TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await result(self._actor.close.remote(reason))
                    if self._calls:
                        await asyncio.wait(self._calls)
        self.kill()

    def kill(self) -> None:
        """End the actor at once; what it leaves, its janitor removes."""
        self._watcher.cancel()
        self._held.close()

    async def _answer(self, call: Awaitable[Any]) -> Any:
        """What a call of the actor gives, unless that is lost meanwhile."""
        asked = asyncio.create_task(result(call))
        self._calls.add(asked)
        asked.add_done_callback(self._calls.discard)
        try:
            await asyncio.wait({asked, self._loss}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asked.done():
                asked.cancel()
        try:
            return asked.result() if asked.done() else self._raise_loss()
        except Unreachable:
            await asyncio.wait({self._loss}, timeout=SILENCE_LIMIT)  # it will be known by then
            if self._loss.done():
                self._raise_loss()
            raise

    def _raise_loss(self) -> NoReturn:
        raise self._loss.result()

    async def _watch(self) -> None:
        """Take note of the loss of the actor."""
        try:
            while await self._is_heard():
                pass
            loss = WorkspaceLost(f"its node in the cluster was silent for {SILENCE_LIMIT} seconds")
        except WorkspaceLost as lost:
            loss = lost
        self._loss.set_result(loss)

    async def _is_heard(self) -> bool:
        """Whether the actor says in time that it lives.

        Seconds are counted here, not read off a clock: while this process is stopped, nobody else
        is silent.

        Raises:
            WorkspaceLost: it does not.
        """
        asked = self._ask_for_life()
        try:
            for _ in range(SILENCE_LIMIT):
                await asyncio.wait({asked}, timeout=1)
                if asked.done():
                    with suppress(RequestRejected):  # it can't be reached, perhaps for a moment
                        asked.result()
                        return True
                    await asyncio.sleep(1)
                    asked = self._ask_for_life()
            return False
        finally:
            asked.cancel()

    def _ask_for_life(self) -> asyncio.Task[Any]:
        alive = self._actor.alive.options(concurrency_group=HEALTH)
        return asyncio.create_task(result(alive.remote()))
