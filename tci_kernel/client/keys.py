"""The API key in the operating system's keyring, through the package `keyring` (an extra).

A keyring may wait for its user, or for a bus that nobody answers on, so `find` looks into it with
a limit of time. Nothing here puts a key, or a keyring's own words, into a text or a log.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

from tci_kernel.client.transport import split_url
from tci_kernel.config.environment import install_command
from tci_kernel.core.errors import ConfigurationError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

# Seconds that a keyring has to give a key; it may have to ask its user for a password first.
PATIENCE = 20.0

_USER = "api-key"

# Backends that keep nothing, or keep it for everybody to read.
_REFUSED_MODULES = ("keyring.backends.fail", "keyring.backends.null")
_REFUSED_NAME = "PlaintextKeyring"

_INSTEAD = "Set the environment variable TOGETHER_API_KEY instead."


class KeyOrigin(Enum):
    """Where a key came from, and what to do if the service refuses it."""

    CONFIGURATION = (
        "It is TCIClient.api_key of tci_kernel_config.py or of the kernel's command line: correct "
        "it there. A running kernel keeps the old one."
    )
    ENVIRONMENT = (
        "It is from the environment variable TOGETHER_API_KEY: correct that. A running Jupyter, "
        "with its kernels, keeps the old one until it is started anew."
    )
    KEYRING = "It is from the keyring: run 'tci-kernel login' to store another, then try again."
    TYPED = "You typed it, and it is forgotten: run the cell again to type another."


async def find(base_url: str) -> str:
    """The key of a service; empty if there is none, or no keyring that could be asked."""
    with suppress(ConfigurationError, TimeoutError):
        return await in_time(base_url)
    return ""


async def in_time(base_url: str) -> str:
    """The key of a service; empty if there is none.

    Raises:
        ConfigurationError: there is no keyring that can be used.
        TimeoutError: it does not answer.
    """
    found: Future[str] = Future()
    found.set_running_or_notify_cancel()  # from here on nobody can cancel it behind the thread

    def look() -> None:
        try:
            found.set_result(load(base_url))
        except ConfigurationError as error:
            found.set_exception(error)

    # One of the event loop's own threads would keep the process from ending while it hangs.
    threading.Thread(target=look, daemon=True).start()
    return await asyncio.wait_for(asyncio.wrap_future(found), PATIENCE)


def load(base_url: str) -> str:
    """The key of a service; empty if there is none.

    Raises:
        ConfigurationError: there is no keyring that can be used.
    """
    backend, service = _backend(), entry(base_url)
    try:
        found = backend.get_password(service, _USER)
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        raise _failed("read", error) from None
    return found if isinstance(found, str) else ""


def store(base_url: str, key: str) -> None:
    """Keep the key of a service.

    Raises:
        ConfigurationError: there is no keyring that can be used.
    """
    backend, service = _backend(), entry(base_url)
    try:
        backend.set_password(service, _USER, key)
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        raise _failed("written", error) from None


def forget(base_url: str) -> bool:
    """Remove the key of a service; whether there was one.

    Raises:
        ConfigurationError: there is no keyring that can be used.
    """
    if not load(base_url):
        return False
    try:
        _backend().delete_password(entry(base_url), _USER)
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        raise _failed("changed", error) from None
    return True


def entry(base_url: str) -> str:
    """The name under which the key of a service is kept: another service has another key."""
    host = split_url(base_url).netloc.rpartition("@")[2].lower()
    return f"tci-kernel: {host}"


def name() -> str:
    """The keyring that is used, in its own words.

    Raises:
        ConfigurationError: there is none that can be used.
    """
    return _backend().name


def _backend() -> KeyringBackend:
    """The keyring that keeps keys safe. One may be a chain of several."""
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise ConfigurationError(
            "Keys are kept in the operating system's keyring, which needs the package keyring.",
            advice=f"Install it: {install_command('keyring')}\n{_INSTEAD}",
        ) from None
    try:
        chosen = keyring.get_keyring()
    except Exception as error:  # noqa: BLE001 - a backend that the user names may be anything
        raise _failed("found", error) from None
    for backend in getattr(chosen, "backends", [chosen]):
        if not _is_refused(type(backend)):
            return backend  # type: ignore[no-any-return]
    raise ConfigurationError(
        f"There is no keyring here that keeps a key safe (found: {chosen.name}).",
        advice="On Linux it takes a desktop session with GNOME Keyring, KWallet or KeePassXC. "
        f"{_INSTEAD}",
    )


def _is_refused(kind: type) -> bool:
    return any(
        base.__module__ in _REFUSED_MODULES or base.__name__ == _REFUSED_NAME
        for base in kind.__mro__
    )


def _failed(done: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The keyring can't be {done} ({type(error).__name__}).",
        advice=f"Is it locked? {_INSTEAD}",
    )
