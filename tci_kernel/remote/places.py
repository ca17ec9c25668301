"""Looks at what is at a path in the session, makes it, copies, moves and removes it, as `os` does.

It is sent as text with each request (see `calls`), and runs one operation. Unlike those of `files`,
its paths are no patterns, and what fails are Python's own errors. It may meet any Python
from 3.7 on, with IPython or without.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.standing import check_removable, is_real_directory, stamp

# Begins the name of a copy that is not whole yet.
COPYING = ".tci-copy-"


def look(path: str) -> list[Any]:
    """What is at a path, over links.

    Returns:
        its kind (`file`, `directory` or `other`), its stamp as `survey.Found` has it, its mode, the
        time of its creation in s (where the system keeps none, of its last change), and where it
        leads if it is a link, else None.
    """
    target = os.readlink(path) if os.path.islink(path) else None
    try:
        status = os.stat(path)
    except OSError:
        if target is None:
            raise
        status = os.lstat(path)  # it leads nowhere
    kind = "other"
    if stat.S_ISREG(status.st_mode):
        kind = "file"
    elif stat.S_ISDIR(status.st_mode):
        kind = "directory"
    created = getattr(status, "st_birthtime", status.st_ctime)
    return [kind, stamp(status), stat.S_IMODE(status.st_mode), created, target]


def entries(path: str) -> list[list[Any]]:
    """What a directory holds, by name: each with what `look` says of it."""
    found = []
    for name in sorted(os.listdir(path)):
        with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
            found.append([name, *look(os.path.join(path, name))])
    return found


def tree(path: str, depth: int | None) -> list[list[Any]]:
    """What is at a path and below it: the components of its path from there, and what `look` says.

    Args:
        path: where it begins.
        depth: how far down it goes; None for all. Links to directories are not followed.
    """
    found: list[list[Any]] = [[[], *look(path)]]
    if not os.path.isdir(path):
        return found
    pending: list[tuple[str, list[str]]] = [(path, [])]
    while pending:
        directory, parts = pending.pop()
        try:
            inner = entries(directory)
        except OSError:
            if not parts:
                raise
            continue  # nobody may look into it
        for name, *facts in inner:
            place = os.path.join(directory, name)
            found.append([[*parts, name], *facts])
            if is_real_directory(place) and (depth is None or len(parts) + 1 < depth):
                pending.append((place, [*parts, name]))
    return found


def make(path: str, parents: bool, may_exist: bool) -> None:
    """Make a directory.

    Args:
        path: where.
        parents: whether those above it are made too.
        may_exist: whether it may be there already.
    """
    if parents:
        os.makedirs(path, exist_ok=may_exist)
    elif not (may_exist and os.path.isdir(path)):
        os.mkdir(path)


def remove(paths: list[str], recursive: bool) -> None:
    """Remove files, links themselves and, if `recursive`, directories with all that is in them."""
    for path in paths:
        if not is_real_directory(path):
            os.remove(path)
        elif recursive:
            check_removable(path, recursive)
            shutil.rmtree(path)
        else:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)


def remove_directory(path: str) -> None:
    """Remove a directory, which must be empty."""
    os.rmdir(path)


def copy(source: str, target: str) -> None:
    """Copy a file, which appears once it is whole; of a directory, make one, with nothing in it."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        return
    directory = os.path.dirname(target) or os.curdir
    os.makedirs(directory, exist_ok=True)
    copied = os.path.join(directory, COPYING + os.urandom(8).hex())
    try:
        shutil.copy(source, copied)
        os.replace(copied, target)
    finally:
        with contextlib.suppress(OSError):
            os.remove(copied)


def move(source: str, target: str) -> None:
    """Move a file or a directory with all that is in it; into a directory that is there."""
    shutil.move(source, target)


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation
    for operation in (look, entries, tree, make, remove, remove_directory, copy, move)
}


def main(operation: str, **arguments: Any) -> Any:
    """Run an operation."""
    return OPERATIONS[operation](**arguments)
