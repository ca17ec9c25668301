"""Subshells of the interpreter: what answers there while its main thread runs a cell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tci_kernel.core.messages import Message

# How an interpreter names it among its features that it has subshells.
FEATURE = "kernel subshells"

Ask = Callable[[Message], Awaitable[Message | None]]


class Subshells:
    """The subshells of one interpreter, made when they are needed.

    A client may have made its subshell before there was an interpreter, and goes on using it when
    another one has taken its place: so each has a name here, and an id there.

    Args:
        ask: has the interpreter answer a request.
        info: gives the content of the interpreter's `kernel_info_reply`, if it is known.
    """

    def __init__(self, ask: Ask, info: Callable[[], Mapping[str, Any]]) -> None:
        self._ask = ask
        self._info = info
        self._made: dict[str, asyncio.Task[str | None]] = {}

    async def id_of(self, name: str) -> str | None:
        """The id there of a subshell; None where the interpreter has none."""
        if not self._info():
            # What it can do comes with its first answer, which the main thread may keep back.
            await self._ask(Message("usage_request", {}))
        features = self._info().get("supported_features")
        if not isinstance(features, list) or FEATURE not in features:
            return None
        if name not in self._made:
            self._made[name] = asyncio.create_task(self._make())
        made = self._made[name]
        await asyncio.wait({made})
        found = None if made.cancelled() or made.exception() else made.result()
        if found is None and self._made.get(name) is made:
            del self._made[name]  # the next one to need it tries again
        return found

    async def delete(self, name: str) -> None:
        """End a subshell, if it was made."""
        if name in self._made:
            subshell_id = await self.id_of(name)
            self._made.pop(name, None)
            if subshell_id is not None:
                await self._ask(Message("delete_subshell_request", {"subshell_id": subshell_id}))

    async def _make(self) -> str | None:
        reply = await self._ask(Message("create_subshell_request", {}))
        found = None if reply is None else reply.content.get("subshell_id")
        return found if isinstance(found, str) else None
