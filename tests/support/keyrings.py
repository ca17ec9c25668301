"""Keyrings for tests, chosen through PYTHON_KEYRING_BACKEND.

A real one needs a desktop session with a service behind D-Bus, which machines that test lack. These
go through the package `keyring` all the same, as backends of its own API.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

SECRET = "sk-very-secret"


class FileKeyring(KeyringBackend):
    """Keeps entries in the file that the variable TEST_KEYRING names."""

    priority = 1
    name = "a file for tests"

    def _entries(self) -> dict[str, str]:
        path = Path(os.environ["TEST_KEYRING"])
        entries: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return entries

    def _write(self, entries: dict[str, str]) -> None:
        Path(os.environ["TEST_KEYRING"]).write_text(json.dumps(entries))

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._write({**self._entries(), f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        if entries.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("Not found")
        self._write(entries)


class LockedKeyring(FileKeyring):
    """Refuses, in words that hold a key."""

    name = "a locked one"

    def get_password(self, _service: str, _username: str) -> str | None:
        raise KeyringLocked(f"can't unlock {SECRET}")

    def set_password(self, _service: str, _username: str, password: str) -> None:
        raise KeyringLocked(f"can't store {password}")


class SilentKeyring(FileKeyring):
    """Never answers, like a bus that nobody listens on. Its file says that it was asked."""

    name = "a silent one"

    def get_password(self, _service: str, _username: str) -> str | None:
        self._write({})
        threading.Event().wait()
        return None


class PlaintextKeyring(FileKeyring):
    """Named like the one of `keyrings.alt` that keeps keys in clear text."""

    name = "clear text"


def backend(kind: type[KeyringBackend], path: Path) -> dict[str, str]:
    """The environment in which a keyring is used."""
    return {
        "PYTHON_KEYRING_BACKEND": f"{kind.__module__}.{kind.__name__}",
        "TEST_KEYRING": str(path),
        # Processes that start elsewhere find this module too.
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


def entries(path: Path) -> dict[str, str]:
    """What a keyring holds."""
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found
