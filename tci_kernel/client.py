"""The two endpoints of a TCI service, over one `httpx.AsyncClient`. Knows nothing of Jupyter."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from traitlets import Float, Unicode, default
from traitlets.config import Configurable

from tci_kernel import __version__
from tci_kernel.errors import (
    ConfigurationError,
    ConnectionFailed,
    ConnectionLost,
    MissingKey,
    service_error,
)
from tci_kernel.schema import (
    ExecuteRequest,
    ExecuteResponse,
    File,
    SessionInfo,
    SessionsResponse,
    error_message,
)

# httpx takes a third of a kernel's start-up time, and the first cell needs it at the earliest:
# it is imported where a request is made.
if TYPE_CHECKING:
    import httpx

DEFAULT_BASE_URL = "https://api.together.xyz/v1"

# Seconds that an unused connection is kept. Below the 60 s after which common load balancers
# close one, so that a request rarely meets a connection that is being closed.
KEEPALIVE_EXPIRY = 30.0

_OK = 200


class TCIClient(Configurable):
    """A client of a TCI service: Together's, or any other that speaks the same contract.

    One request is one POST or GET. Nothing is ever sent a second time from here.

    >>> client = TCIClient(base_url="http://127.0.0.1:8000/v1", api_key="token")
    """

    base_url = Unicode(
        help="Where the service is, with its version path. The default is the environment "
        f"variable TOGETHER_BASE_URL, else {DEFAULT_BASE_URL}."
    ).tag(config=True)

    api_key = Unicode(
        help="The key sent as a bearer token. The default is the environment variable "
        "TOGETHER_API_KEY, which is the better place: a configuration file is clear text."
    ).tag(config=True)

    connect_timeout = Float(10.0, help="Seconds to wait for a connection.").tag(config=True)

    read_timeout = Float(
        None,
        allow_none=True,
        help="Seconds of silence after which a request is given up; none by default, since the "
        "service is silent while a cell runs.",
    ).tag(config=True)

    @default("base_url")
    def _base_url_default(self) -> str:
        return os.environ.get("TOGETHER_BASE_URL") or DEFAULT_BASE_URL

    @default("api_key")
    def _api_key_default(self) -> str:
        return os.environ.get("TOGETHER_API_KEY", "")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._http: httpx.AsyncClient | None = None

    async def execute(
        self, code: str, session_id: str | None = None, files: Sequence[File] = ()
    ) -> ExecuteResponse:
        """Run code, in a new session where none is named.

        Args:
            code: Python code; IPython's syntax works where the interpreter is one.
            session_id: a live session, as an earlier answer named it.
            files: written into the session's working directory first.

        Raises:
            TCIError: every failure; `may_have_run` says whether the code may have run.
        """
        request = ExecuteRequest(code, session_id, files)
        return ExecuteResponse.from_body(
            await self._request("POST", "tci/execute", request.to_body())
        )

    async def sessions(self) -> list[SessionInfo]:
        """The caller's live sessions.

        Raises:
            TCIError: every failure.
        """
        body = await self._request("GET", "tci/sessions")
        return list(SessionsResponse.from_body(body).sessions)

    async def aclose(self) -> None:
        """Close the connections. The client may be used again: it opens new ones."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        import httpx  # noqa: PLC0415

        headers = {"Authorization": f"Bearer {self._checked_key()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = await self._client().request(method, path, content=body, headers=headers)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.LocalProtocolError,
            httpx.PoolTimeout,
            httpx.ProxyError,
        ) as error:
            raise ConnectionFailed(
                f"No connection to {self.base_url} ({_reason(error)}).\n"
                "The code did not run. Check the network and the address, then run it again."
            ) from error
        except httpx.HTTPError as error:
            raise ConnectionLost(
                f"The connection to {self.base_url} was lost ({_reason(error)}).\n"
                "The code may have run, and may still be running; the session is kept."
            ) from error
        if response.status_code != _OK:
            raise service_error(response.status_code, error_message(response.content))
        return response.content

    def _checked_key(self) -> str:
        key = self.api_key.strip()
        if not key:
            raise MissingKey
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigurationError(
                "The API key has characters that no key has (a space, a line end or a letter "
                "outside ASCII), so nothing was sent.\nCheck TOGETHER_API_KEY."
            )
        return key

    def _client(self) -> httpx.AsyncClient:
        """The one client, made on first use: it belongs to the event loop that runs it."""
        if self._http is None:
            import httpx  # noqa: PLC0415

            self._http = httpx.AsyncClient(
                base_url=_checked_url(self.base_url),
                headers={"Accept": "application/json", "User-Agent": f"tci-kernel/{__version__}"},
                timeout=httpx.Timeout(self.read_timeout, connect=self.connect_timeout, pool=None),
                limits=httpx.Limits(keepalive_expiry=KEEPALIVE_EXPIRY),
                # A proxy can't reach this machine's loopback, whatever the environment says.
                mounts={"http://": None, "https://": None, "all://": None}
                if is_loopback(urlsplit(self.base_url).hostname or "")
                else None,
            )
        return self._http


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"The service's address {base_url!r} is not an http:// or https:// URL, so nothing "
            "was sent.\nCheck TOGETHER_BASE_URL or TCIClient.base_url."
        )
    return base_url.rstrip("/") + "/"


def _reason(error: Exception) -> str:
    """What a failure of the transport says of itself: some say nothing but their name."""
    return str(error) or type(error).__name__
