"""Writes files below a directory whose content others may change at any moment."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Staged:
    """A file beside its place, and its place."""

    place: PurePosixPath
    name: str


class Staging:
    """Files that are written beside their places first, and then put there, each in one step.

    Every step goes from one open directory to the next, and over no link.

    Args:
        directory: below which everything is.

    Raises:
        OSError: (each method) what could not be done; a link in the way is `ELOOP` or `ENOTDIR`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._staged: list[_Staged] = []
        self._made: list[PurePosixPath] = []

    def add(self, place: PurePosixPath, content: bytes) -> None:
        """Write a file beside its place, with the directories that it needs."""
        staged = _Staged(place, f".tci-{secrets.token_hex(8)}")
        with self._parent(place, makes=True) as parent:
            # The place of one that is replaced says who may do what with it.
            mode = _mode(parent, place.name)
            self._staged.append(staged)
            file = os.open(staged.name, _NEW_FILE, 0o666, dir_fd=parent)
            with os.fdopen(file, "wb") as opened:
                if mode is not None:
                    os.fchmod(file, mode)
                opened.write(content)

    def put(self, number: int) -> None:
        """Put a file into its place, by the number of files that were added before it."""
        staged = self._staged[number]
        with self._parent(staged.place) as parent:
            os.rename(staged.name, staged.place.name, src_dir_fd=parent, dst_dir_fd=parent)

    def discard(self) -> None:
        """Remove what is not in its place, and directories that were made and hold nothing."""
        for staged in self._staged:
            with suppress(OSError), self._parent(staged.place) as parent:
                os.unlink(staged.name, dir_fd=parent)
        for made in reversed(self._made):
            with suppress(OSError), self._parent(made) as parent:
                os.rmdir(made.name, dir_fd=parent)

    @contextmanager
    def _parent(self, place: PurePosixPath, *, makes: bool = False) -> Iterator[int]:
        """The open directory that holds a place; with `makes`, it is made where it is not there."""
        parts: Sequence[str] = place.parent.parts
        opened = os.open(self._directory, _DIRECTORY)
        try:
            for depth, part in enumerate(parts, 1):
                if makes:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=opened)
                        self._made.append(PurePosixPath(*parts[:depth]))
                inner = os.open(part, _DIRECTORY, dir_fd=opened)
                os.close(opened)
                opened = inner
            yield opened
        finally:
            os.close(opened)


def _mode(parent: int, name: str) -> int | None:
    """The permissions of a file in an open directory; None if there is none."""
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else None
