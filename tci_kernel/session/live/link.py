"""The way to the relay of one session: exchanges, numbered, acknowledged, and made again."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.client.retry import Backoff
from tci_kernel.core.cell import File
from tci_kernel.core.errors import InvalidAnswer, TCIError
from tci_kernel.session.live.dropped import DroppedExchanges
from tci_kernel.session.live.exchange import Answer, Assembly, Incoming
from tci_kernel.session.live.installation import Installation, new_backoff, trouble
from tci_kernel.session.live.outgoing import Outgoing
from tci_kernel.session.live.ways import FORGOTTEN, RelayLost
from tci_kernel.session.runner import RunnerOptions

# Seconds that an exchange may always wait, whatever was cut off before.
SHORTEST_WAIT = 1.0


@dataclass(slots=True)
class News:
    """What an exchange has brought.

    Attributes:
        answer: its answer.
        incoming: the messages in it, in order.
        old: the number of the last message that an earlier exchange had brought there.
    """

    answer: Answer
    incoming: list[Incoming] = field(default_factory=list)
    old: int = 0


class Link:
    """The way to one session's relay.

    Args:
        client: how the service is reached.
        session_id: the session; None for one that sending the relay begins.
        options: what the user has set.
        joins: whether the session was another's before: its relay is joined, none is started.
        restarts: whether the interpreter there is to begin anew.

    Attributes:
        session_id: the session, once there is one.
        way: how exchanges get there, once the relay has answered.
        is_ready: whether the relay has answered.
        is_failing: whether the last exchange has failed.
        answer: the last one.
        dropped: what is known of exchanges that were dropped.
        info: the content of the interpreter's `kernel_info_reply`, once it has answered.
        count: the number of the interpreter's next cell, as was last heard.
    """

    def __init__(
        self,
        client: TCIClient,
        session_id: str | None,
        options: RunnerOptions,
        *,
        joins: bool = False,
        restarts: bool = False,
    ) -> None:
        self._client = client
        self._options = options
        self._joins, self._restarts = joins, restarts
        self._name = uuid.uuid4().hex
        self._installation = Installation(client, session_id, options, self._name, joins=joins)
        self._left: asyncio.Task[Answer] | None = None
        self._outgoing = Outgoing()
        self._received = 0
        self._assembly = Assembly()
        self._longest_wait = math.inf
        self.session_id = session_id
        self.way = self._installation.way()
        self.is_ready = False
        self.is_failing = False
        self.answer: Answer | None = None
        self.dropped = DroppedExchanges()
        self.info: Mapping[str, Any] = {}
        self.count = 1

    # -- the relay ---------------------------------------------------------------------------

    async def install(self) -> AsyncGenerator[str]:
        """Send the relay, once; or see that it is there, where it is joined. See `Installation`."""
        if self.is_ready:
            return
        try:
            async with aclosing(self._installation.run()) as troubles:
                async for trouble in troubles:
                    yield trouble
        finally:
            self.session_id = self._installation.session_id
        self.way = self._installation.way()
        self.count = 1 if self._restarts else self._installation.count
        self.is_ready = True
        if self._joins:
            self.join()

    def join(self) -> None:
        """Have the relay tell what others have not fetched; or begin anew."""
        self.send("restart" if self._restarts else "join")
        self._restarts = False

    # -- what is sent ------------------------------------------------------------------------

    def send(
        self, channel: str, message: Mapping[str, Any] | None = None, files: Sequence[File] = ()
    ) -> int:
        """Have a message sent with the next exchange; gives its number. See `Outgoing.add`."""
        return self._outgoing.add(channel, message, files)

    @property
    def sent(self) -> int:
        """The number of the last message that was to be sent."""
        return self._outgoing.last

    @property
    def has_more(self) -> bool:
        """Whether there is something to send."""
        return bool(self._outgoing)

    async def wait_for_change(self, limit: float | None) -> None:
        """Wait until there is something to send, or for some seconds."""
        await self._outgoing.wait_for_change(limit)

    def withdraw(self, number: int) -> str:
        """Send a message no more, if it has not arrived; gives what became of what it brings."""
        return self._outgoing.withdraw(number)

    # -- an exchange -------------------------------------------------------------------------

    async def exchange(self, wait: float, on_trouble: Callable[[str], None]) -> News:
        """Make an exchange, and make it again while it fails.

        What is sent meanwhile drops an exchange that waits, so that it goes at once.

        Args:
            wait: seconds that the relay may wait for news.
            on_trouble: told why it has to be made again, and when; told nothing once it is made.

        Raises:
            RelayLost: there is no relay any more.
            TCIError: it has failed for `retry_for` seconds, or another attempt would not help. What
                was to be sent is not sent any more; whether it was taken, the error says.
        """
        backoff = new_backoff(self._options)
        answer: Answer | None = None
        try:
            while answer is None:
                # One that is made again waits for nothing: it may stand behind those that are lost.
                asked = 0.0 if self.is_failing else min(wait, self._longest_wait)
                begun = time.monotonic()
                try:
                    answer = await self._attempt(asked)
                    self._outgoing.note_tried()
                except TCIError as error:
                    pause = self._note_failure(error, backoff, asked, time.monotonic() - begun)
                    on_trouble(trouble(error, pause))
                    await asyncio.sleep(pause)
            if self.is_failing:
                on_trouble("")
            return self._news(answer)
        finally:
            self.is_failing = False

    def _note_failure(self, error: TCIError, backoff: Backoff, waited: float, took: float) -> float:
        """Seconds until an exchange is made again; or raises what has failed.

        Args:
            error: what has failed.
            backoff: the pauses.
            waited: seconds that the relay was to wait for news.
            took: seconds until the failure.
        """
        if error.may_have_run:
            self._outgoing.note_tried()
            self._note_cut(waited, took)
        if self.is_failing:
            backoff.spend(took)
        self.is_failing = True
        repeats = error.sent_again or error.may_have_run
        pause = backoff.pause(error) if repeats else None
        if pause is None:
            self._outgoing.give_up(error)
            raise error
        return pause

    def _note_cut(self, waited: float, took: float) -> None:
        """Wait for less from now on, where an exchange has failed after about what it waited.

        Gateways cut off what takes long: such an exchange would be cut off each time.
        """
        if took >= waited / 2 > 0:
            self._longest_wait = max(SHORTEST_WAIT, min(self._longest_wait, took / 2))

    async def _attempt(self, wait: float) -> Answer | None:
        """Make one attempt; None if it was dropped, for what has to be sent meanwhile."""
        begun = time.monotonic()
        call = asyncio.create_task(self._send(wait))
        changed = asyncio.create_task(self._outgoing.wait_for_another())
        try:
            await asyncio.wait({call, changed}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                if self.way.idle_wait is not None:
                    self._leave(call)
                else:
                    self.dropped.note_dropped(begun, wait)
                return None
            answer = call.result()
            self.dropped.note_answered(begun, answer.took)
            return answer
        finally:
            changed.cancel()
            if call is not self._left:
                await _cancelled(call)

    def _leave(self, call: asyncio.Task[Answer]) -> None:
        """Let one end by itself, for another that has its answer end: its connection stays."""
        self.close()
        self._left = call
        call.add_done_callback(_unasked)

    def close(self) -> None:
        """Let go of an exchange that was left to end by itself."""
        if self._left is not None:
            self._left.cancel()

    def _send(self, wait: float) -> Coroutine[Any, Any, Answer]:
        fields = {
            "client": self._name,
            "acknowledged": self._received,
            "first": self._outgoing.first,
            "wait": wait,
            "gather": self.way.gather,
            "limit": self.way.limit,
            "describe": not self.info,
        }
        return self.way.exchange(fields, self._outgoing.take(), wait)

    def _news(self, answer: Answer) -> News:
        """Take note of what has arrived, on either side."""
        if self.answer is not None and answer.relay != self.answer.relay:
            raise RelayLost
        if self.answer is not None and answer.taken < self.answer.taken:
            raise RelayLost(FORGOTTEN)
        news = News(answer, old=self._outgoing.first - 1)
        self._outgoing.acknowledge(answer.taken)
        if answer.first > self._received + 1:
            raise InvalidAnswer("Messages of the session are missing.")
        new = answer.texts[self._received + 1 - answer.first :]
        self._received += len(new)
        news.incoming = list(self._assembly.incoming(new))
        self.answer, self.count = answer, answer.count
        self.info = answer.interpreter.info or self.info
        return news


async def _cancelled(call: asyncio.Task[Answer]) -> None:
    """Cancel a call, and wait for its end."""
    call.cancel()
    await asyncio.wait({call})
    _unasked(call)


def _unasked(call: asyncio.Task[Answer]) -> None:
    """Ask how a call has ended that nobody waits for: asyncio complains otherwise."""
    if not call.cancelled():
        call.exception()
