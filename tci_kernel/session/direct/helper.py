"""The helper in a session, `remote/helper.py`: installed once, and called by hidden requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.client.schema import Output, decoded
from tci_kernel.core.errors import TCIError
from tci_kernel.remote import loader
from tci_kernel.remote.helper import HIDDEN, MODULE, ORIGIN, PART
from tci_kernel.session.direct.answers import extras

# A question on its way: the code that asks it, and what that gives.
_Question = tuple[str, asyncio.Task[Sequence[Output]]]


class Helper:
    """The way to the helper of one session, if it has one.

    Args:
        client: how the service is reached.
        session_id: the session; None for one that installing the helper begins.

    Attributes:
        session_id: the session, once there is one.
        is_installed: whether the helper answers; None until it was tried.
        number: the number that the interpreter will give to its next cell.
        origin: the directory that plain Python was in when the helper was sent. IPython keeps it.
    """

    def __init__(self, client: TCIClient, session_id: str | None) -> None:
        self._client = client
        self._question: _Question | None = None
        self.session_id = session_id
        self.is_installed: bool | None = None
        self.number = 0
        self.origin: str | None = None

    async def install(self) -> None:
        """Send the helper, once.

        A service that answers it strangely costs nothing: cells are then sent as they stand, and
        what is wrong shows with the first of them.
        """
        if self.is_installed is not None:
            return
        try:
            answer = await self._client.execute(loader.launch("helper", MODULE), self.session_id)
        except TCIError as error:
            self.is_installed = False if error.may_have_run else None
            self.session_id = self.session_id or error.session_id
            return
        # If it ran in another session than this one, the first cell will say so.
        self.session_id = self.session_id or answer.session_id
        hello = _reply(answer.outputs)
        self.is_installed = isinstance(hello, dict) and isinstance(hello.get("count"), int)
        if self.is_installed:
            self.number = hello["count"]
        else:
            self.origin = _origin(answer.outputs)

    async def call(self, name: str, **arguments: Any) -> Any:
        """Call the helper, and wait for as long as it takes; None if it does not answer."""
        return _reply(await self._outputs(_code(name, arguments)))

    async def ask(self, name: str, limit: float, **arguments: Any) -> Any:
        """Call the helper for who types; None if it does not answer in `limit` seconds.

        A question that takes longer goes on: to hang up would interrupt what it runs, an import
        for instance, at any point. Its answer is kept for the same question, asked again. Other
        questions wait for it: there is one at a time.
        """
        code = _code(name, arguments)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while (asked := self._question) is not None and asked[0] != code:
                    await asyncio.wait({asked[1]})
                    self._drop(asked)
                if asked is None:
                    asked = self._question = (code, asyncio.create_task(self._outputs(code)))
                await asyncio.wait({asked[1]})
                self._drop(asked)
                return None if asked[1].cancelled() else _reply(asked[1].result())
        return None

    def _drop(self, asked: _Question) -> None:
        if self._question is asked:
            self._question = None

    def forget_answer(self) -> None:
        """Keep no answer from before a cell, which may change what it says."""
        if self._question is not None:
            self._question = ("", self._question[1])

    async def _outputs(self, code: str) -> Sequence[Output]:
        """What code gives; nothing where it can't be run."""
        try:
            return (await self._client.execute(code, self.session_id)).outputs
        except TCIError:
            return ()

    def close(self) -> None:
        """Drop a question that is not answered yet."""
        if self._question is not None:
            self._question[1].cancel()


def hidden(code: str) -> str:
    """Code that is to leave no trace in the session's history."""
    return code + HIDDEN


def part(code: str) -> str:
    """Code that more of the same cell follows: it is not numbered."""
    return code + PART


def _code(name: str, arguments: dict[str, Any]) -> str:
    """The code that calls a method of the helper, hidden from the session's history."""
    return hidden(f"__import__({MODULE!r}).call({json.dumps([name, arguments])!r})")


def _reply(outputs: Sequence[Output]) -> Any:
    """What a call of the helper answered; None if it did not."""
    for output in outputs:
        fields = extras(output)
        if fields.get("kind") == "reply":
            return fields.get("content")
    return None


def _origin(outputs: Sequence[Output]) -> str | None:
    """The directory that plain Python, which the helper leaves alone, said that it was in."""
    for output in outputs:
        if output.type == "stdout":
            with suppress(ValueError, LookupError, TypeError):
                return str(decoded(output.data)[ORIGIN])
    return None
