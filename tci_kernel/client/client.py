"""The endpoints of a TCI service, over httpx. Knows nothing of Jupyter.

Requests go to httpx's transport itself: what its client adds, cookies, redirects and joined URLs,
has no use here, and takes a third of the time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from traitlets import Int
from traitlets.config import Configurable

from tci_kernel._version import __version__
from tci_kernel.client.failures import failure, status_failure
from tci_kernel.client.keys import KeyOrigin
from tci_kernel.client.schema import (
    END_SESSIONS,
    EXCHANGE,
    EXTENSIONS_HEADER,
    ExecuteRequest,
    ExecuteResponse,
    SessionInfo,
    SessionsResponse,
    error_message,
    extensions,
)
from tci_kernel.client.transport import checked_url, transport, transport_failure
from tci_kernel.config.traits import EnvironmentText, Seconds
from tci_kernel.core.addresses import without_credentials
from tci_kernel.core.cell import File
from tci_kernel.core.errors import (
    AuthenticationFailed,
    InvalidKey,
    MissingKey,
    RequestRejected,
    TCIError,
)
from tci_kernel.core.text import size as written_size

# httpx takes a third of a kernel's start-up time, and the first cell needs it at the earliest:
# it is imported where a request is made.
if TYPE_CHECKING:
    import httpx

DEFAULT_BASE_URL = "https://api.together.xyz/v1"

# Together's hosts, and where its users make keys.
TOGETHER = ("api.together.xyz", "api.together.ai")
KEYS_URL = "https://api.together.ai/settings/api-keys"

_OK = 200

# What stands in answers in place of the key. One with fewer characters is no secret, and may be
# anything that code prints.
_REDACTED = b"(the API key)"
_SHORTEST_SECRET = 16

_LIMIT = "the limit TCIClient.answer_limit"

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"tci-kernel/{__version__}",
}


class Embedded(Protocol):
    """A server of this process."""

    async def exchange(self, session_id: str, text: str) -> str:
        """Make an exchange, as `POST /tci/sessions/{id}/exchange` does.

        Raises:
            RequestRejected: it answers with an error.
        """

    def sessions(self) -> list[SessionInfo]:
        """The live sessions, as `GET /tci/sessions` lists them."""


class TCIClient(Configurable):
    """A client of a TCI service: Together's, or any other that speaks the same contract.

    One call is one request. Nothing is ever sent a second time from here.

    >>> client = TCIClient(base_url="http://127.0.0.1:8000/v1", api_key="token")

    Attributes:
        round_trip: the seconds that the last request took until its answer was there.
        extensions: what the service has beside the vendor's contract, by its last answer.
    """

    base_url = EnvironmentText(
        "TOGETHER_BASE_URL",
        DEFAULT_BASE_URL,
        help="Where the service is, with its version path.",
    ).tag(config=True)

    api_key = EnvironmentText(
        "TOGETHER_API_KEY",
        help="The key, sent as a bearer token. A configuration file is clear text: the "
        "environment, or the operating system's keyring (`tci-kernel login`), is the better place.",
    ).tag(config=True, secret=True)

    connect_timeout = Seconds(10.0, help="Seconds to wait for a connection.").tag(config=True)

    read_timeout = Seconds(
        None,
        allow_none=True,
        help="Seconds of silence after which a request is given up; none by default, since the "
        "service is silent while a cell runs.",
    ).tag(config=True)

    answer_limit = Int(
        256_000_000,
        min=1_000_000,
        help="Bytes of an answer, unpacked, beyond which it is given up: a few bytes can be packed "
        "so that they fill the memory.",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._found: KeyOrigin | None = None
        self._embedded: Embedded | None = None
        self.round_trip = 0.0
        self.extensions: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """The service's address for people to read: without a password that may stand in it."""
        return without_credentials(self.base_url)

    def use_key(self, key: str, origin: KeyOrigin) -> None:
        """Use a key that was found where no setting has one; an empty one is none."""
        self.api_key, self._found = key, origin

    def forget_key(self) -> None:
        """Forget a key that was found so, for another to be found in its place."""
        if self._found is not None:
            self.api_key, self._found = "", None

    async def execute(
        self,
        code: str,
        session_id: str | None = None,
        files: Sequence[File] = (),
        silence: float | None = None,
        *,
        offers_exchange: bool = False,
    ) -> ExecuteResponse:
        """Run code, in a new session where none is named.

        Args:
            code: Python code; IPython's syntax works where the interpreter is one.
            session_id: a live session, as an earlier answer named it.
            files: written into the session's working directory first.
            silence: seconds without a byte of the answer after which it is given up, for code that
                takes no longer; `read_timeout` counts where that is less.
            offers_exchange: whether the code is needless where `extensions` has `schema.EXCHANGE`
                afterwards: such a service does not run it.

        Raises:
            TCIError: every failure; `may_have_run` says whether the code may have run.
        """
        body = ExecuteRequest(code, session_id, files).to_body()
        headers = {EXTENSIONS_HEADER: EXCHANGE} if offers_exchange else {}
        return ExecuteResponse.from_body(
            await self._request("POST", "tci/execute", body, silence, headers)
        )

    async def exchange(self, session_id: str, text: str, silence: float | None = None) -> str:
        """Make an exchange with a session's interpreter, where `extensions` has `schema.EXCHANGE`.

        Args:
            session_id: the session.
            text: its request, as JSON; see `docs/exchange.md`.
            silence: as of `execute`.

        Returns:
            the answer, unread.

        Raises:
            TCIError: every failure; `may_have_run` says whether the exchange may have arrived.
        """
        if self._embedded is not None:
            try:
                return await self._embedded.exchange(session_id, text)
            except RequestRejected as rejection:
                raise status_failure(rejection.status, str(rejection), {}) from rejection
        path = f"tci/sessions/{quote(session_id, safe='')}/exchange"
        answer = await self._request("POST", path, text.encode(), silence)
        return answer.decode("utf-8", "replace")

    def use_embedded(self, server: Embedded) -> None:
        """Reach a server of this process without HTTP between, for what each cell needs."""
        self._embedded = server
        self.extensions = frozenset({END_SESSIONS, EXCHANGE})

    async def sessions(self) -> list[SessionInfo]:
        """The caller's live sessions.

        Raises:
            TCIError: every failure.
        """
        if self._embedded is not None:
            start = time.perf_counter()
            listed = self._embedded.sessions()
            self.round_trip = time.perf_counter() - start
            return listed
        body = await self._request("GET", "tci/sessions")
        return list(SessionsResponse.from_body(body).sessions)

    async def end_session(self, session_id: str) -> None:
        """End a session at once, where `extensions` has `schema.END_SESSIONS`.

        Args:
            session_id: the session.

        Raises:
            TCIError: every failure.
        """
        await self._request("DELETE", f"tci/sessions/{quote(session_id, safe='')}")

    async def aclose(self) -> None:
        """Close the connections. The client may be used again: it opens new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def _request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        silence: float | None = None,
        more_headers: Mapping[str, str] = MappingProxyType({}),
    ) -> bytes:
        import httpx  # noqa: PLC0415

        headers = {"Authorization": f"Bearer {self._checked_key()}", **_HEADERS, **more_headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        limits = [limit for limit in (self.read_timeout, silence) if limit is not None]
        silence = min(limits, default=None)
        timeout = httpx.Timeout(silence, connect=self.connect_timeout, pool=None)
        url = checked_url(self.base_url)
        request = httpx.Request(
            method,
            url + path,
            content=body,
            headers=headers,
            extensions={"timeout": timeout.as_dict()},
        )
        if self._transport is None:  # it belongs to the event loop that runs it
            self._transport = transport(url)
        start = time.perf_counter()
        try:
            response = await self._transport.handle_async_request(request)
            async with aclosing(response):
                content = await self._content(response)
                self.round_trip = time.perf_counter() - start
                self.extensions = extensions(response.headers)
        except httpx.HTTPError as error:
            cause, said = transport_failure(error, self.address)
            raise failure(cause, said, runs_code=body is not None) from error
        if response.status_code != _OK:
            raise self._refusal(response, content, runs_code=body is not None)
        return content

    async def _content(self, response: httpx.Response) -> bytes:
        """What an answer says, without the key: a service might repeat what it was sent."""
        parts, size = [], 0
        async for part in response.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > self.answer_limit:
                limit = written_size(self.answer_limit)
                raise failure("body", f"The answer is longer than {limit}, which is {_LIMIT}.")
        key = self.api_key.strip().encode()
        whole = b"".join(parts)
        is_secret = len(key) >= _SHORTEST_SECRET or response.status_code != _OK
        return whole.replace(key, _REDACTED) if is_secret and key in whole else whole

    def _refusal(self, response: httpx.Response, content: bytes, *, runs_code: bool) -> TCIError:
        """What an answer with another status than 200 means."""
        said = error_message(content)
        error = status_failure(response.status_code, said, response.headers, runs_code=runs_code)
        return self._with_origin(error) if isinstance(error, AuthenticationFailed) else error

    def _with_origin(self, error: TCIError) -> TCIError:
        """What is wrong with the key, and where it came from."""
        origin = self.key_origin
        if origin is not None:
            error.advice = f"{error.advice} {origin.value}"
        return error

    @property
    def key_origin(self) -> KeyOrigin | None:
        """Where the key came from; None if the caller of this class gave it."""
        if self._found is not None:
            return self._found
        if self.config.get("TCIClient", {}).get("api_key") == self.api_key:
            return KeyOrigin.CONFIGURATION
        is_default = self.api_key == type(self).api_key.default()
        return KeyOrigin.ENVIRONMENT if is_default else None

    def _checked_key(self) -> str:
        key = self.api_key.strip()
        if not key:
            raise MissingKey
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise self._with_origin(
                InvalidKey(
                    "The API key has characters that no key has (a space, a line end or a letter "
                    "outside ASCII), so nothing was sent.",
                )
            )
        return key
