"""How an exchange gets to a session's interpreter: by its relay, or by the service itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tci_kernel.client.client import TCIClient
from tci_kernel.client.failures import failure
from tci_kernel.client.schema import ExecuteResponse, written_files
from tci_kernel.core.cell import File
from tci_kernel.remote.exchanges import CLIENTS
from tci_kernel.remote.outbox import KEPT
from tci_kernel.session.live.exchange import Answer, exchange_call, printed, read, request_text

# Seconds of silence, beyond those that an exchange waits, after which its answer is taken for lost:
# a connection may be dead without a word, and a gateway may have forgotten it.
SILENCE = 30.0

# Characters of messages beyond which they travel in a file: code is slow to be read.
LARGE = 100_000


REPLACED = "The session's interpreter is another one than before: variables are gone."
FORGOTTEN = (
    f"More than {CLIENTS} kernels use this session, which has forgotten this one: the next cell\n"
    "connects again. Variables are there."
)

# The messages of an exchange as JSON, each with what is written into the session's working
# directory before it is taken.
Messages = Sequence[tuple[str, Sequence[File]]]


class RelayLost(Exception):
    """What was sent before has no answer any more. Its text says why.

    Either the relay that was there is no longer, or it has forgotten this kernel.
    """

    def __init__(self, reason: str = REPLACED) -> None:
        super().__init__(reason)


class Way(Protocol):
    """A way to one session's interpreter.

    Attributes:
        gather: seconds that an exchange waits, after the first news, for more to come.
        limit: bytes of messages in an answer.
        idle_wait: seconds that one may wait there while nothing runs. None where that would stand
            in the way of what is sent next: news are asked for at intervals then, and an exchange
            that waits is dropped for another. Else that other one ends the wait.
    """

    gather: float
    idle_wait: float | None
    limit: int

    async def exchange(self, fields: Mapping[str, Any], messages: Messages, wait: float) -> Answer:
        """Make one attempt at an exchange.

        Args:
            fields: of its request, but for the messages.
            messages: of its request.
            wait: seconds that it waits there.

        Raises:
            RelayLost: there is nobody to answer it any more.
            TCIError: it has failed; `may_have_run` says whether it may have arrived.
        """


class RelayWay:
    """The way by requests to run code, of which a session answers one after another. See `Way`.

    Args:
        client: how the service is reached.
        session_id: the session.
        name: of the client, as exchanges have it.
        limit: bytes of messages in an answer.
    """

    # Requests cost something: what is printed in quick succession comes in one.
    gather: float = 0.05
    idle_wait: float | None = None

    def __init__(self, client: TCIClient, session_id: str | None, name: str, limit: int) -> None:
        self.limit = limit
        self._client = client
        self._session_id = session_id
        self._name = name

    async def exchange(self, fields: Mapping[str, Any], messages: Messages, wait: float) -> Answer:
        """See `Way`."""
        text = request_text(fields, [text for text, _ in messages])
        files = [file for _, theirs in messages for file in theirs]
        if len(text) > LARGE:
            name = f".tci-exchange-{self._name}"
            content = base64.b64encode(text.encode()).decode()
            files.append(File(name, content, "base64"))
            text = json.dumps({"file": name})
        silence = wait + SILENCE
        return self._read(
            await self._client.execute(exchange_call(text), self._session_id, files, silence)
        )

    def _read(self, response: ExecuteResponse) -> Answer:
        if self._session_id is not None and response.session_id not in (None, self._session_id):
            raise RelayLost
        try:
            text = printed(response.outputs)
            if text is not None:
                return read(text)
        except ValueError as error:
            raise failure("body", f"The relay's answer can't be read: {error}.") from error
        # Where there is no relay, nothing is printed and nothing fails.
        failed = [str(one.data) for one in response.outputs if one.type == "error"]
        if failed := [*failed, *response.errors]:
            raise failure("body", f"The relay did not answer: {failed[0].strip()}")
        raise RelayLost


class ServiceWay:
    """The way by the service's own exchanges, any number of which may wait. See `Way`.

    Args:
        client: how the service is reached.
        session_id: the session.
    """

    # What comes while an answer is on its way is in the next one. Gateways end what is silent for a
    # minute.
    gather: float = 0.0
    idle_wait: float | None = 50.0
    # As much as is kept there for a client: nothing that is shown comes in parts as a rule.
    limit = KEPT

    def __init__(self, client: TCIClient, session_id: str) -> None:
        self._client = client
        self._session_id = session_id

    async def exchange(self, fields: Mapping[str, Any], messages: Messages, wait: float) -> Answer:
        """See `Way`."""
        texts = [f'{text[:-1]}, "files": {_listed(files)}}}' for text, files in messages]
        text = request_text(fields, texts)
        answer = await self._client.exchange(self._session_id, text, wait + SILENCE)
        try:
            return read(answer)
        except ValueError as error:
            raise failure("body", f"The service's answer can't be read: {error}.") from error


def _listed(files: Sequence[File]) -> str:
    return json.dumps(written_files(files))
