"""Sends the relay into a session, or sees that it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tci_kernel.client.client import TCIClient
from tci_kernel.client.retry import Backoff
from tci_kernel.client.schema import EXCHANGE, decoded
from tci_kernel.core.errors import ExecutionRefused, InvalidAnswer, ServiceError, TCIError
from tci_kernel.core.text import duration, wrapped
from tci_kernel.remote import loader
from tci_kernel.remote.companion import MODULE as COMPANION
from tci_kernel.remote.exchanges import VERSION
from tci_kernel.remote.relay import MODULE
from tci_kernel.session.live.exchange import exchange_call, printed
from tci_kernel.session.live.ways import RelayWay, ServiceWay, Way
from tci_kernel.session.runner import RunnerOptions

# Seconds of the first pause before an exchange is made again, and of the longest.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

# Asks for the greeting, and starts nothing.
PING = '{"ping": true}'

# How it answers, or what stands before it, that has no such path.
_NO_SUCH_PATH = (403, 404, 405)

# How a service answers that does not take so much code: bad request, too large, not understood.
_NOT_TAKEN = (400, 413, 422)


class LiveUnavailable(Exception):
    """Cells can't be run live in a session; none of what was sent has run. Its text says why."""


class Installation:
    """Sends the relay into a session, or sees that it is there.

    Args:
        client: how the service is reached.
        session_id: the session; None for one that sending the relay begins.
        options: what the user has set.
        name: of the client, as exchanges have it.
        joins: whether the session was another's before: its relay is joined, none is started.

    Attributes:
        session_id: the session, once there is one.
        count: the number of the interpreter's next cell, once the relay has answered.
    """

    def __init__(
        self,
        client: TCIClient,
        session_id: str | None,
        options: RunnerOptions,
        name: str,
        *,
        joins: bool,
    ) -> None:
        self._client = client
        self._options = options
        self._name = name
        self._joins = joins
        self._is_barred = False  # from exchanges with the service itself
        self._was_strange = False  # whether an answer could not be read
        self.session_id = session_id
        self.count = 1

    async def run(self) -> AsyncGenerator[str]:
        """Send what is to be sent until the relay has answered.

        Yields:
            why it has to be sent again, and when.

        Raises:
            LiveUnavailable: the relay can't be had, or the service does not take it.
            TCIError: nothing came of it: another attempt may succeed.
        """
        backoff = new_backoff(self._options)
        greeting: str | None = None
        is_last = False
        while greeting is None:
            try:
                greeting = await self._ask()
            except TCIError as error:
                pause = self._pause(error, backoff, is_last=is_last)
                # Where it would begin a session, it is sent once more at most: each costs.
                is_last = is_last or (error.may_have_run and self.session_id is None)
                yield trouble(error, pause)
                await asyncio.sleep(pause)
        self._greet(greeting)

    async def _ask(self) -> str:
        """Ask whoever answers exchanges for the greeting; gives that: JSON, as a rule."""
        if (greeting := await self._greeting_of_service()) is not None:
            return greeting
        code = exchange_call(PING) if self._joins else _launch()
        offers = not self._is_barred
        answer = await self._client.execute(code, self.session_id, offers_exchange=offers)
        # If it ran in another session than this one, the first cell will say so.
        self.session_id = self.session_id or answer.session_id
        if (greeting := await self._greeting_of_service()) is not None:
            return greeting
        if offers and self._is_barred:
            return await self._ask()  # it has not run, since there was no need to
        try:
            return printed(answer.outputs) or "{}"
        except ValueError as error:
            raise LiveUnavailable(f"the relay's answer can't be read: {error}") from error

    async def _greeting_of_service(self) -> str | None:
        """The greeting of a service that makes exchanges itself; None where there is none."""
        if not self._has_exchange or self.session_id is None:
            return None
        try:
            return await self._client.exchange(self.session_id, PING)
        except ServiceError as error:
            if error.status not in _NO_SUCH_PATH:
                raise
            # The session has ended, or what stands before the service lets nobody through to it:
            # the way that all services have will tell.
            self._is_barred = True
            return None

    @property
    def _has_exchange(self) -> bool:
        return EXCHANGE in self._client.extensions and not self._is_barred

    def way(self) -> Way:
        """How exchanges get there, as far as is known."""
        if self._has_exchange and self.session_id is not None:
            return ServiceWay(self._client, self.session_id)
        return RelayWay(self._client, self.session_id, self._name, self._options.transfer_size)

    def _pause(self, error: TCIError, backoff: Backoff, *, is_last: bool) -> float:
        """Seconds until the relay is sent again; or raises what has failed."""
        self.session_id = self.session_id or error.session_id
        is_refused = isinstance(error, ServiceError) and error.status in _NOT_TAKEN
        is_strange = isinstance(error, InvalidAnswer) and self._was_strange
        if is_refused or is_strange or isinstance(error, ExecutionRefused):
            raise LiveUnavailable(error.what) from error
        self._was_strange = self._was_strange or isinstance(error, InvalidAnswer)
        is_lost = error.may_have_run and self.session_id is None
        repeats = error.sent_again or (error.may_have_run and not (is_lost and is_last))
        pause = backoff.pause(error) if repeats else None
        if pause is None:
            raise error
        return pause

    def _greet(self, greeting: str) -> None:
        """Take note of what the relay says of itself, or the service in its place."""
        try:
            hello = decoded(greeting)
        except ValueError as error:
            raise LiveUnavailable(f"the relay's answer can't be read: {error}") from error
        if not isinstance(hello, dict) or "relay" not in hello:
            said = hello.get("failed") if isinstance(hello, dict) else None
            nothing = "there is no relay in this session" if self._joins else "it does not answer"
            raise LiveUnavailable(str(said or nothing))
        version, count = hello.get("version"), hello.get("count")
        if version != VERSION:
            raise LiveUnavailable(f"the relay there is of version {version}, not {VERSION}")
        if not isinstance(count, int) or count < 1:
            raise LiveUnavailable(f"the relay's answer can't be read: its count is {count!r}")
        self.count = count


def new_backoff(options: RunnerOptions) -> Backoff:
    """The pauses between attempts at what is sent to the relay."""
    return Backoff(options.retry_for, first=FIRST_PAUSE, longest=LONGEST_PAUSE)


def trouble(error: TCIError, pause: float) -> str:
    """Why something has to be sent again, and when."""
    return wrapped(f"{error.what}\nTrying again in {duration(pause + 0.5)}")


def _launch() -> str:
    companion = loader.launch("companion", COMPANION)
    return loader.launch("relay", MODULE, COMPANION=companion)
