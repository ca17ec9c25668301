"""When a session ends: asked once, beside the cells, and said once, before it is too late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tci_kernel.client.schema import SessionInfo
from tci_kernel.core.errors import TCIError
from tci_kernel.core.text import duration

# A session with less time left than this is worth a warning.
WARN_BEFORE = timedelta(minutes=5)

# Seconds that a cell's reply may wait for the list of sessions, before a warning is given.
LISTING_LIMIT = 2.0

# Seconds that an error may wait for it, to say whether the session is gone.
CONFIRMATION_LIMIT = 10.0


class ExpiryWatch:
    """Watches one session's end.

    Args:
        look_up: gives the session as the service lists it, or None if it does not.

    Attributes:
        expires_at: None until the service has said so.
    """

    def __init__(self, look_up: Callable[[], Awaitable[SessionInfo | None]]) -> None:
        self._look_up = look_up
        self._asking: asyncio.Task[None] | None = None
        self._warned = False
        self._started_at: datetime | None = None
        self.expires_at: datetime | None = None

    def ask_once(self) -> None:
        """Ask the service, in the background, if it was not asked yet."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())

    def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()

    async def is_gone(self) -> bool:
        """Whether the service's list of sessions, which is its last word, lacks this one."""
        try:
            async with asyncio.timeout(CONFIRMATION_LIMIT):
                return await self._look_up() is None
        except (TCIError, TimeoutError):
            return False

    async def seconds_to_move(self) -> float | None:
        """Seconds until who wants to be out of the session in time should leave; None if unknown.

        Of a short session the last quarter is left for it, else as much as for a warning.
        """
        self.ask_once()
        assert self._asking is not None  # noqa: S101 - it has just been made
        await asyncio.wait({self._asking})
        if self.expires_at is None:
            return None
        before = WARN_BEFORE
        if self._started_at is not None:
            before = min(before, (self.expires_at - self._started_at) / 4)
        return (self.expires_at - before - datetime.now(UTC)).total_seconds()

    def ended_at(self) -> datetime | None:
        """When the session was to end, if that is known and has come."""
        if self.expires_at is None or self.expires_at > datetime.now(UTC):
            return None
        return self.expires_at

    async def warning(self) -> str | None:
        """A warning, once, if the session ends soon.

        The service is asked again before it is given: another one may extend its sessions.
        """
        if self._warned or not self._ends_soon():
            return None
        with suppress(TimeoutError):  # what was known before still stands then
            async with asyncio.timeout(LISTING_LIMIT):
                await self._ask()
        if self.expires_at is None or not self._ends_soon():
            return None
        self._warned = True
        left = duration(max(0.0, (self.expires_at - datetime.now(UTC)).total_seconds()))
        return (
            f"This session expires in {left}, at {self.expires_at:%H:%M:%S %Z}.\n"
            "Its variables and files go with it. To carry them over to a new one: %tci migrate\n"
        )

    def _ends_soon(self) -> bool:
        return self.expires_at is not None and self.expires_at - datetime.now(UTC) < WARN_BEFORE

    async def _ask(self) -> None:
        with suppress(TCIError):  # it stays unknown then, and no warning will be given
            info = await self._look_up()
            if info is not None and info.expires_at is not None:
                self._started_at, self.expires_at = info.started_at, info.expires_at
