"""The working directory of a session, and the files that a request writes into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from tci_kernel.core.cell import File
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server.staging import Staging

# What Linux and macOS allow in one component of a path, in bytes.
NAME_MAX = 255


def decode(files: Sequence[File]) -> list[tuple[PurePosixPath, bytes]]:
    """Check all files before the first is written.

    Raises:
        RequestRejected: a name leaves the working directory or can't be a file's, or a content
            is not what its encoding says.
    """
    decoded = [
        (_checked_name(file.name, f"files.{i}.name"), _decoded_content(file, f"files.{i}.content"))
        for i, file in enumerate(files)
    ]
    names = {name for name, _ in decoded}
    for i, (name, _) in enumerate(decoded):
        if not names.isdisjoint(name.parents):
            raise _rejection(i, "is below another file of the request")
    return decoded


def write(directory: Path, files: Sequence[tuple[PurePosixPath, bytes]]) -> None:
    """Write decoded files, with the directories that their names have: all of them or none.

    Code that runs there may change links and directories meanwhile: nothing is followed that was
    not there before, and nothing is opened that exists.

    Raises:
        RequestRejected: what is there already is in the way, the name leads out of the working
            directory over a symbolic link, or the disk is full.
    """
    staging = Staging(directory)
    try:
        for i, (name, content) in enumerate(files):
            with _rejecting_errors(i):
                staging.add(_checked_place(directory, name, i), content)
        for i in range(len(files)):
            with _rejecting_errors(i):
                staging.put(i)
    except BaseException:
        staging.discard()
        raise


def remove(*directories: Path) -> None:
    """Remove what a session leaves, as far as it can be; the janitor removes the rest."""
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def _checked_place(directory: Path, name: PurePosixPath, i: int) -> PurePosixPath:
    """Where a file goes below the directory, over links that are there; it can be written there."""
    path = directory / name
    with suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # raises for loops of links, and for what is too long as a whole
    place, root = path.resolve(), directory.resolve()
    if not place.is_relative_to(root):
        raise _rejection(i, "leads out of the working directory")
    if path.exists() and not path.is_file():
        raise _rejection(i, "is there already, and is not a file")
    parents = [directory / parent for parent in name.parents]
    if any(parent.exists() and not parent.is_dir() for parent in parents):
        raise _rejection(i, "is below a file that is there already")
    return PurePosixPath(place.relative_to(root))


@contextmanager
def _rejecting_errors(i: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _rejection(i, f"can't be written: {error.strerror}") from error


def _rejection(i: int, problem: str) -> RequestRejected:
    param = f"files.{i}.name"
    return RequestRejected(f"'{param}' {problem}.", param=param)


def _checked_name(name: str, param: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise RequestRejected(
            f"'{param}' must be a path inside the working directory: relative, without '..'.",
            param=param,
        )
    if not path.name or name.endswith("/") or not _is_encodable(name):
        raise RequestRejected(f"'{param}' is not the name of a file.", param=param)
    if any(len(part.encode()) > NAME_MAX for part in path.parts):
        raise RequestRejected(f"'{param}' is too long.", param=param)
    return path


def _is_encodable(name: str) -> bool:
    """Whether a file system can hold the name: no NUL, no half of a surrogate pair."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def _decoded_content(file: File, param: str) -> bytes:
    try:
        return file.to_bytes()
    except ValueError as error:
        raise RequestRejected(f"'{param}' can't be decoded: {error}.", param=param) from error
