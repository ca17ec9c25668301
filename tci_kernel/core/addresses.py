"""What an address of a host means."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

_CREDENTIALS = re.compile(r"//[^/?#]*@")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def without_credentials(url: str) -> str:
    """A URL for people to read: what stands before its host, such as a password, is left out."""
    return _CREDENTIALS.sub("//…@", url)


def is_own_host(header: str, host: str) -> bool:
    """Whether a Host header names this server.

    A name that somebody else controls is never ours. An address is, where the server is bound
    beyond loopback: no rebinding leads to a literal address.
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if name == host.lower() or is_loopback(name):
        return True
    return not is_loopback(host) and (name == socket.gethostname().lower() or _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def url(host: str, port: int) -> str:
    """The base URL of a server, for a client on its machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"
