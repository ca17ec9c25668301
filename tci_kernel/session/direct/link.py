"""One session's helper: installed once, and called with hidden requests."""

from __future__ import annotations

import asyncio
from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.core.errors import TCIError
from tci_kernel.session.direct import helper

# Seconds that a call may take besides cells. JupyterLab waits 1 s for completions.
CALL_LIMIT = 1.0


class HelperLink:
    """The way to the helper of a session, if it has one.

    Args:
        client: how the service is reached.

    Attributes:
        installed: whether the helper answers; None until it was tried.
        count: the number that the interpreter will give to its next cell.
        origin: the directory that plain Python was in when the helper was sent. IPython keeps it.
    """

    def __init__(self, client: TCIClient) -> None:
        self._client = client
        self.installed: bool | None = None
        self.count = 0
        self.origin: str | None = None

    async def install(self, session_id: str | None) -> str | None:
        """Send the helper, once, and give the session that it ran in.

        A service that answers it strangely costs nothing: cells are then sent as they stand, and
        what is wrong shows with the first of them.
        """
        try:
            answer = await self._client.execute(helper.program(), session_id)
        except TCIError as error:
            self.installed = False if error.may_have_run else None
            return error.session_id
        hello = helper.reply(answer.outputs)
        self.installed = isinstance(hello, dict) and isinstance(hello.get("count"), int)
        if self.installed:
            self.count = hello["count"]
        else:
            self.origin = helper.origin(answer.outputs)
        return answer.session_id

    async def call(self, session_id: str, name: str, **arguments: Any) -> Any:
        """Call the helper; None if it does not answer in time, or not at all."""
        if not self.installed:
            return None
        try:
            async with asyncio.timeout(CALL_LIMIT):
                answer = await self._client.execute(helper.call(name, **arguments), session_id)
        except (TCIError, TimeoutError):
            return None
        return helper.reply(answer.outputs)
