"""What is in a session, and what is removed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tci_kernel.core.errors import FileError
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.transfer import call, unexpected_answer


@dataclass(frozen=True, slots=True)
class Entry:
    """What a directory holds under one name.

    Attributes:
        name: as it is; it may hold what does not print.
        kind: `file`, `directory`, `pipe`, `socket`, `device`, `broken link`; over links.
        size: bytes.
        changed: when, in seconds since 1970; None where that is not known.
        target: where it leads, if it is a link.
    """

    name: str
    kind: str
    size: int
    changed: float | None
    target: str | None

    @classmethod
    def from_json(cls, row: Any) -> Entry:
        """Read a row; raises TypeError or ValueError where it is none."""
        name, kind, size, changed, target = row
        return cls(
            str(name),
            str(kind),
            int(size),
            None if changed is None else float(changed),
            None if target is None else str(target),
        )


def check_session(session: RemoteSession) -> None:
    """Check that there is a session, or one that costs nothing: a new one has no files.

    Raises:
        SessionExpired: there was one.
        FileError: there is none.
    """
    session.raise_expired()
    if not session.takes_hidden_cells:
        raise FileError("There is no session yet, and so there are no files in it.")


async def listing(session: RemoteSession, path: str = ".") -> tuple[str, list[Entry]]:
    """A directory's absolute path and its entries, or the one entry of a file.

    Raises:
        FileError: there is no session, or nothing at the path.
        TCIError: as `RemoteSession.call`.
    """
    check_session(session)
    answer = await call(session, "files", "listing", path=path)
    try:
        return str(answer["path"]), [Entry.from_json(row) for row in answer["entries"]]
    except (TypeError, ValueError, LookupError) as error:
        raise unexpected_answer() from error


async def remove(session: RemoteSession, paths: Sequence[str], *, recursive: bool) -> int:
    """Remove what paths and patterns stand for; gives how many things it was.

    Args:
        session: where they are.
        paths: as the user typed them.
        recursive: whether directories go, with all that is in them.

    Raises:
        FileError: there is no session, something is missing, or must not go; nothing has changed.
        TransferFailed: it broke off.
        TCIError: as `RemoteSession.call`.
    """
    check_session(session)
    count = await call(session, "files", "remove", paths=paths, recursive=recursive)
    if not isinstance(count, int):
        raise unexpected_answer()
    return count
