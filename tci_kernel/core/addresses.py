"""What an address of a host means."""

from __future__ import annotations

import ipaddress
import re

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
