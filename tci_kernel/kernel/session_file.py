"""Which session a kernel had, for the one that takes its place."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tci_kernel.session.session import RemoteSession

_SUFFIX = ".tci-session"


@dataclass(frozen=True, slots=True)
class KeptSession:
    """The session of a kernel.

    Attributes:
        session_id: its id.
        service: the address of the service that it is at.
        restarts: whether the user has restarted the kernel; else it has died.
        is_own: whether it began in this notebook.
    """

    session_id: str
    service: str
    restarts: bool = False
    is_own: bool = False


class SessionFile:
    """A file beside the kernel's connection file, which is all that a restart keeps.

    Only its owner may read it. It holds no key. A disk that can't be written costs the session at a
    restart, and nothing before.

    Args:
        connection_file: the kernel's; empty for none.
    """

    def __init__(self, connection_file: str) -> None:
        self._path = Path(connection_file).with_suffix(_SUFFIX) if connection_file else None
        self._written: KeptSession | None = None

    def resume(self, session: RemoteSession, service: str) -> bool:
        """Have a session go on that the kernel before this one had; whether that one has died.

        Args:
            session: has not begun.
            service: the address of its service; a session of another is not found there.
        """
        kept = self.read()
        if kept is None or kept.service != service:
            return False
        session.resume(kept.session_id, restarts=kept.restarts, is_own=kept.is_own)
        return not kept.restarts

    def keep(self, session: RemoteSession, service: str, *, restarts: bool) -> None:
        """Keep a session, where a kernel in the place of this one can go on with it.

        Args:
            session: has begun.
            service: the address of its service.
            restarts: whether the user has this kernel restarted.
        """
        if session.id is not None and session.is_restartable:
            self.write(KeptSession(session.id, service, restarts, session.is_own))

    def read(self) -> KeptSession | None:
        """The session of the kernel before this one; None if there was none."""
        try:
            fields = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
            return KeptSession(
                str(fields["session"]),
                str(fields["service"]),
                fields["restarts"] is True,
                fields.get("own") is True,
            )
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None

    def write(self, kept: KeptSession) -> None:
        """Keep a session, if that is not what the file says already."""
        if self._path is None or kept == self._written:
            return
        fields = {
            "session": kept.session_id,
            "service": kept.service,
            "restarts": kept.restarts,
            "own": kept.is_own,
        }
        beside = self._path.with_suffix(f"{_SUFFIX}.{os.getpid()}")
        with suppress(OSError):
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(fields, file)
            beside.replace(self._path)
            self._written = kept

    def remove(self) -> None:
        """Keep none any more."""
        self._written = None
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
