"""Surveys, reads, lists and removes the session's files for the kernel.

It is sent as text with each request (see `calls`), after that of `survey`, and runs one operation.
It may meet any Python from 3.7 on, with IPython or without.
"""

from __future__ import annotations

import base64
import glob
import hashlib
import os
import shutil
import stat
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.failure import BROKEN, REFUSED, Failure
    from tci_kernel.remote.standing import check_removable, is_real_directory, stamp
    from tci_kernel.remote.survey import Survey, kind, located, look, names_in

# Bytes that are read at a time where nothing else bounds them.
BLOCK = 1 << 20


# -- what is there ---------------------------------------------------------------------------


def survey(sources: list[list[Any]]) -> dict[str, Any]:
    """What paths and patterns stand for, each given with the root of what is named in full."""
    found = Survey()
    for typed, root in sources:
        found.add(typed, root)
    return {
        "files": found.files,
        "directories": found.directories,
        "left_out": found.left_out,
    }


def listing(path: str) -> dict[str, Any]:
    """A directory's entries, or the one of a file: name, kind, size, time in s, a link's target."""
    typed = path or os.curdir
    path = os.path.expanduser(typed)
    is_directory = stat.S_ISDIR(look(path, typed).st_mode)
    path = os.path.abspath(path)
    directory = path if is_directory else os.path.dirname(path)
    names = names_in(path) if is_directory else [os.path.basename(path)]
    return {"path": path, "entries": [entry(directory, name) for name in names]}


def entry(directory: str, name: str) -> list[Any]:
    """A row of a listing."""
    path = os.path.join(directory, name)
    target = os.readlink(path) if os.path.islink(path) else None
    try:
        status = os.stat(path)
    except OSError:
        return [name, "broken link" if target else "unknown", 0, None, target]
    return [name, kind(status.st_mode), status.st_size, status.st_mtime, target]


def stamps(paths: list[str]) -> list[list[int] | None]:
    """What tells whether files are as they were; None of those that are not there."""
    return [stamp(os.stat(path)) if os.path.isfile(path) else None for path in paths]


# -- from the session ------------------------------------------------------------------------


def read(pieces: list[list[Any]]) -> list[list[str]]:
    """Pieces of files: base64 and SHA-256 of each path, stamp, offset and length in bytes."""
    answers = []
    for path, known, offset, length in pieces:
        with open(path, "rb") as file:
            check_stamp(path, known, file.fileno())
            file.seek(offset)
            data = file.read(length)
            if offset + length == known[0] and file.read(1):
                raise Failure(
                    BROKEN,
                    "%r is longer than its size says, as files of the system are. Copy it, and "
                    "transfer the copy." % path,
                )
        answers.append([base64.b64encode(data).decode(), hashlib.sha256(data).hexdigest()])
    return answers


def digest(path: str, known: list[int]) -> str:
    """The SHA-256 of a whole file."""
    with open(path, "rb") as file:
        check_stamp(path, known, file.fileno())
        whole = hash_of(file)
        check_stamp(path, known, file.fileno())
    return whole


def check_stamp(path: str, known: list[int], file: int) -> None:
    """Check that a file is what it was when it was found."""
    if stamp(os.fstat(file)) != known:
        raise Failure(BROKEN, "%r changed while it was transferred." % path)


def hash_of(file: Any) -> str:
    """The SHA-256 of the rest of an open file."""
    whole = hashlib.sha256()
    for block in iter(lambda: file.read(BLOCK), b""):
        whole.update(block)
    return whole.hexdigest()


# -- remove ---------------------------------------------------------------------------------------


def remove(paths: list[str], recursive: bool) -> int:
    """Remove what paths and patterns stand for, links themselves; gives how many things it was."""
    doomed: dict[str, None] = {}
    for typed in paths:
        path = os.path.expanduser(typed)
        is_pattern = glob.has_magic(path) and not os.path.lexists(path)
        matches = sorted(glob.iglob(path, recursive=True)) if is_pattern else [path]
        found = [os.path.abspath(match) for match in matches if os.path.lexists(match)]
        if not found:
            raise Failure(REFUSED, "There is no %s." % located(typed))
        doomed.update(dict.fromkeys(found))
    for path in doomed:
        check_removable(path, recursive)
    for count, path in enumerate(doomed):
        try:
            if is_real_directory(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):  # else it went with its directory
                os.remove(path)
        except OSError as error:
            raise Failure(
                BROKEN,
                "%r can't be removed: %s. Removed before it: %d of %d."
                % (error.filename or path, error.strerror, count, len(doomed)),
            ) from None
    return len(doomed)


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation for operation in (survey, stamps, read, digest, listing, remove)
}


def main(operation: str, **arguments: Any) -> Any:
    """Run an operation."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise Failure(REFUSED, "The working directory is gone. os.chdir() to another.") from None
    return OPERATIONS[operation](**arguments)
