"""Writes files below a directory whose content others may change at any moment.

The server does so itself where it sees the directory of a session; where it does not, this travels
to the session as text. It may meet any Python from 3.7 on there.
"""

from __future__ import annotations

import base64
import contextlib
import os
import stat
import uuid
from pathlib import Path, PurePosixPath
from typing import Any, Iterator, Sequence

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Unwritable(Exception):
    """A file can't be written.

    Args:
        number: its place among all files of the call, from 0.
        problem: why; goes on behind the name of the file.

    Attributes:
        number: as above.
        problem: as above.
    """

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(problem)
        self.number = number
        self.problem = problem


def write(directory: Path, files: Sequence[tuple[PurePosixPath, bytes]]) -> None:
    """Write files, with the directories that their names have: all of them or none.

    Code that runs there may change links and directories meanwhile: nothing is followed that was
    not there before, and nothing is opened that exists.

    Args:
        directory: what their names are relative to.
        files: names without `..`, and contents.

    Raises:
        Unwritable: what is there already is in the way, the name leads out of the directory over a
            symbolic link, or the disk is full.
    """
    staging = Staging(directory)
    try:
        for number, (name, content) in enumerate(files):
            with _telling_errors(number):
                staging.add(_checked_place(directory, name, number), content)
        for number in range(len(files)):
            with _telling_errors(number):
                staging.put(number)
    except BaseException:
        staging.discard()
        raise


@contextlib.contextmanager
def _telling_errors(number: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(number, "can't be written: %s" % error.strerror) from error


def _checked_place(directory: Path, name: PurePosixPath, number: int) -> PurePosixPath:
    """Where a file goes below the directory, over links that are there; it can be written there."""
    path = directory / name
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # raises for loops of links, and for what is too long as a whole
    try:
        place = path.resolve().relative_to(directory.resolve())
    except ValueError:
        raise Unwritable(number, "leads out of the working directory") from None
    if path.exists() and not path.is_file():
        raise Unwritable(number, "is there already, and is not a file")
    parents = [directory / parent for parent in name.parents]
    if any(parent.exists() and not parent.is_dir() for parent in parents):
        raise Unwritable(number, "is below a file that is there already")
    return PurePosixPath(place)


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
        self._staged: list[tuple[PurePosixPath, str]] = []  # places, and names beside them
        self._made: list[PurePosixPath] = []

    def add(self, place: PurePosixPath, content: bytes) -> None:
        """Write a file beside its place, with the directories that it needs."""
        name = ".tci-" + uuid.uuid4().hex[:16]
        with self._parent(place, makes=True) as parent:
            # The place of one that is replaced says who may do what with it.
            mode = _mode(parent, place.name)
            self._staged.append((place, name))
            file = os.open(name, _NEW_FILE, 0o666, dir_fd=parent)
            with os.fdopen(file, "wb") as opened:
                if mode is not None:
                    os.fchmod(file, mode)
                opened.write(content)

    def put(self, number: int) -> None:
        """Put a file into its place, by the number of files that were added before it."""
        place, name = self._staged[number]
        with self._parent(place) as parent:
            os.rename(name, place.name, src_dir_fd=parent, dst_dir_fd=parent)

    def discard(self) -> None:
        """Remove what is not in its place, and directories that were made and hold nothing."""
        for place, name in self._staged:
            with contextlib.suppress(OSError), self._parent(place) as parent:
                os.unlink(name, dir_fd=parent)
        for made in reversed(self._made):
            with contextlib.suppress(OSError), self._parent(made) as parent:
                os.rmdir(made.name, dir_fd=parent)

    @contextlib.contextmanager
    def _parent(self, place: PurePosixPath, *, makes: bool = False) -> Iterator[int]:
        """The open directory that holds a place; with `makes`, it is made where it is not there."""
        parts = place.parent.parts
        opened = os.open(self._directory, _DIRECTORY)
        try:
            for depth, part in enumerate(parts, 1):
                if makes:
                    with contextlib.suppress(FileExistsError):
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


def main(directory: str, files: list[tuple[str, str]]) -> dict[str, Any] | None:
    """Write files in the session.

    Args:
        directory: as `write`.
        files: the name of each, and its content in Base64.

    Returns:
        None, or of the file that can't be written its `number` and the `problem`.
    """
    decoded = [(PurePosixPath(name), base64.b64decode(content)) for name, content in files]
    try:
        write(Path(directory), decoded)
    except Unwritable as error:
        return {"number": error.number, "problem": error.problem}
    return None
