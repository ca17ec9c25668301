"""How requests travel: proxy and certificates as the environment says, TCP keep-alive.

What speaks HTTP without httpx's client asks here too.
"""

from __future__ import annotations

import socket
import ssl
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from tci_kernel.core.addresses import is_loopback, without_credentials
from tci_kernel.core.errors import ConfigurationError

# httpx takes a third of a kernel's start-up time, and the first cell needs it at the earliest:
# it is imported where a request is made.
if TYPE_CHECKING:
    import httpx

# Seconds that an unused connection is kept. Below the 60 s after which common load balancers
# close one, so that a request rarely meets a connection that is being closed.
KEEPALIVE_EXPIRY = 30.0

# A dead peer is noticed within 30 + 6 x 10 s, also during a long cell, and a NAT that forgets
# silent connections after some minutes does not. macOS has another name for the first.
KEEPALIVE_OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (
            ("TCP_KEEPIDLE", 30),
            ("TCP_KEEPALIVE", 30),
            ("TCP_KEEPINTVL", 10),
            ("TCP_KEEPCNT", 6),
        )
        if hasattr(socket, name)
    ),
]


def transport(url: str) -> httpx.AsyncHTTPTransport:
    """The transport to a service: proxy and certificates as the environment says, TCP keep-alive.

    Raises:
        ConfigurationError: the environment names a proxy or certificates that can't be used.
    """
    import httpx  # noqa: PLC0415

    try:
        proxy = proxy_for(url)
        return httpx.AsyncHTTPTransport(
            # Certificates are not even looked for where there is no TLS.
            verify=urlsplit(url).scheme == "https" or proxy is not None,
            proxy=proxy,
            limits=httpx.Limits(keepalive_expiry=KEEPALIVE_EXPIRY),
            socket_options=KEEPALIVE_OPTIONS,
        )
    except (OSError, ValueError, ImportError) as error:
        raise ConfigurationError(
            f"The connection can't be set up: {error}. Nothing was sent.",
            advice="Check SSL_CERT_FILE, SSL_CERT_DIR and the variables that name a proxy.",
        ) from error


def tls_context() -> ssl.SSLContext:
    """How the other side has to prove who it is, for connections made without httpx."""
    import httpx  # noqa: PLC0415

    return httpx.create_ssl_context()


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a service; never one for this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def is_caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an exception of a kind lies anywhere behind another."""
    causes: list[BaseException | None] = [error]
    while causes:
        cause = causes.pop()
        if isinstance(cause, kind):
            return True
        if cause is not None:
            causes += [cause.__cause__, cause.__context__]
            causes += getattr(cause, "exceptions", ())
    return False


def checked_url(base_url: str) -> str:
    """A service's address, ending in a slash.

    Raises:
        ConfigurationError: it is none.
    """
    import httpx  # noqa: PLC0415

    split_url(base_url)
    try:
        httpx.URL(base_url)
    except (httpx.InvalidURL, ValueError) as error:
        raise _bad_address(base_url) from error
    return base_url.rstrip("/") + "/"


def split_url(base_url: str) -> SplitResult:
    """The parts of a service's address.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        parts = urlsplit(base_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # such as a port that is none
        raise _bad_address(base_url) from error
    # urlsplit drops line ends without a word.
    if not is_address or not base_url.isprintable() or " " in base_url:
        raise _bad_address(base_url)
    return parts


def _bad_address(base_url: str) -> ConfigurationError:
    return ConfigurationError(
        f"The service's address {without_credentials(base_url)!r} is not an http:// or https:// "
        "URL, so nothing was sent.",
        advice="Check TOGETHER_BASE_URL or TCIClient.base_url.",
    )


def transport_failure(error: httpx.HTTPError, address: str) -> tuple[str, str]:
    """What a failure of a transport means, above all whether the request went out.

    Args:
        error: the failure.
        address: the service's, for people to read.

    Returns:
        the arguments of `failures.failure`.
    """
    import httpx  # noqa: PLC0415

    # Some say nothing but their name.
    reason = without_credentials(str(error)) or type(error).__name__
    unsent = (
        httpx.ConnectError,
        httpx.LocalProtocolError,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
    )
    if isinstance(error, httpx.ConnectTimeout):
        return "connect timeout", f"No connection to {address} in time."
    if isinstance(error, unsent):
        name = "tls" if is_caused_by(error, ssl.SSLError) else "connect"
        name = "dns" if is_caused_by(error, socket.gaierror) else name
        return name, f"No connection to {address} ({reason})."
    name = "read timeout" if isinstance(error, httpx.ReadTimeout) else "lost"
    return name, f"The connection to {address} was lost ({reason})."
