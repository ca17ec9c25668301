"""Puts files together in the session from the parts in which they arrive.

It is sent as text with each request (see `calls`), after that of `arrival`, and runs one operation.
It may meet any Python from 3.7 on, with IPython or without.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.arrival import arrived_in, origins
    from tci_kernel.remote.failure import BROKEN, REFUSED, Failure
    from tci_kernel.remote.standing import stamp

# Begin the names of what is on its way: a part as it arrives, and the file that it is added to.
PART = "tci-upload-"
STAGED = ".tci-upload-"

# Bytes that are read at a time.
BLOCK = 1 << 20


def prepare(to: str, directories: list[list[str]], targets: list[list[str]]) -> dict[str, Any]:
    """Check that files can be written, and make the directories that they need, or nothing.

    Args:
        to: the directory that everything goes into.
        directories: the parts of those that are to be there, even if nothing goes into them.
        targets: the parts of the files.

    Returns:
        `targets`, the absolute path of each; `stamps`, of those that are there, as `Found` has
        them, else None; and `made`, the directories that are new.
    """
    base = os.path.abspath(os.path.expanduser(to))
    # Over a link to the file itself: it, and not the link, is replaced.
    paths = [os.path.realpath(os.path.join(base, *parts)) for parts in targets]
    for path in paths:
        if os.path.exists(path) and not os.path.isfile(path):
            raise Failure(REFUSED, "%r is there already, and is not a file." % path)
    wanted = [base, *(os.path.join(base, *parts) for parts in directories)]
    made: list[str] = []
    try:
        for directory in (*wanted, *(os.path.dirname(path) for path in paths)):
            make_directory(directory, made)
        for directory in {os.path.dirname(path) for path in paths}:
            if not os.access(directory, os.W_OK):
                raise Failure(REFUSED, "There is no permission to write into %r." % directory)
    except BaseException:
        discard_directories(made)
        raise
    return {"targets": paths, "stamps": [*map(stamp_of, paths)], "made": made}


def stamp_of(path: str) -> list[int] | None:
    """What tells whether a file is another one's twin or itself; None of one that is not there."""
    return stamp(os.stat(path)) if os.path.exists(path) else None


def make_directory(path: str, made: list[str]) -> None:
    """Make a directory and its parents; note which are new."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
        if os.path.lexists(missing[-1]):
            raise Failure(REFUSED, "%r is needed as a directory, and is a file." % missing[-1])
    for directory in reversed(missing):
        try:
            os.mkdir(directory)
        except OSError as error:
            raise Failure(REFUSED, "%r can't be made: %s." % (directory, error.strerror)) from None
        made.append(directory)


def receive(token: str, parts: list[dict[str, Any]], *, origin: str | None = None) -> None:
    """Add parts that have just arrived to their files; put what is complete into its place.

    Args:
        token: begins the names of all that belongs to one upload.
        parts: in order. Of each: `name`, as it arrived, or None if it is empty; `target`, the
            file's path; `offset`; `sha256`; and for the last of a file `whole`, its SHA-256,
            `executable`, and `replaces`, whether it may take the place of another.
        origin: see `arrived_in`.
    """
    place = arrived_in([part["name"] for part in parts if part["name"]], origin)
    try:
        for part in parts:
            staged = staged_for(part["target"], token)
            append(part, staged, place)
            if part.get("whole"):
                finish(part, staged)
    except BaseException:
        discard(token, [part["target"] for part in parts], [], origin=origin)
        raise


def deliver(
    to: str, name: str, token: str, part: dict[str, Any], *, origin: str | None = None
) -> None:
    """Write a file that has arrived in one part: what `prepare` and `receive` do, in one request.

    Args:
        to: the directory that it goes into.
        name: its name there.
        token: see `receive`.
        part: see `receive`; without `target`.
        origin: see `arrived_in`.
    """
    try:
        prepared = prepare(to, [], [[name]])
    except BaseException:
        discard(token, [], [], origin=origin)  # what has arrived
        raise
    try:
        receive(token, [{**part, "target": prepared["targets"][0]}], origin=origin)
    except BaseException:
        discard_directories(prepared["made"])
        raise


def staged_for(target: str, token: str) -> str:
    """Where a file of an upload is put together: beside its place, to be moved there at once."""
    return os.path.join(os.path.dirname(target), STAGED + token)


def append(part: dict[str, Any], staged: str, place: str) -> None:
    """Add a part to its file, and remove it from where it arrived."""
    data = b""
    if part["name"]:
        arrived = os.path.join(place, part["name"])
        with open(arrived, "rb") as file:
            data = file.read()
        os.remove(arrived)
    if hashlib.sha256(data).hexdigest() != part["sha256"]:
        raise Failure(BROKEN, "A part of %r did not arrive as it was sent." % part["target"])
    with open(staged, "ab" if part["offset"] else "xb") as file:
        if file.tell() != part["offset"]:
            raise Failure(BROKEN, "%r changed while it was put together." % staged)
        file.write(data)


def finish(part: dict[str, Any], staged: str) -> None:
    """Put a file that is complete into its place, in one step."""
    with open(staged, "rb") as file:
        whole = hashlib.sha256()
        for block in iter(lambda: file.read(BLOCK), b""):
            whole.update(block)
    if whole.hexdigest() != part["whole"]:
        raise Failure(BROKEN, "%r did not arrive as it was sent." % part["target"])
    if part["executable"]:
        mode = stat.S_IMODE(os.stat(staged).st_mode)
        os.chmod(staged, mode | (mode & 0o444) >> 2)  # for whoever may read it
    if not part["replaces"]:
        os.close(os.open(part["target"], os.O_CREAT | os.O_EXCL))  # fails if there is anything
    os.replace(staged, part["target"])


def discard(token: str, targets: list[str], made: list[str], *, origin: str | None = None) -> None:
    """Remove what an upload that does not end well leaves behind.

    Args:
        token: see `receive`.
        targets: files that may have been begun.
        made: directories that the upload made; those that are empty go.
        origin: see `arrived_in`.
    """
    staged = [staged_for(target, token) for target in targets]
    for directory in {*origins(origin)}:
        with contextlib.suppress(OSError):
            staged += [
                os.path.join(directory, name)
                for name in os.listdir(directory)
                if name.startswith(PART + token)
            ]
    for path in staged:
        with contextlib.suppress(OSError):
            os.remove(path)
    discard_directories(made)


def discard_directories(made: list[str]) -> None:
    """Remove directories, children last named first, unless something is in them."""
    for directory in reversed(made):
        with contextlib.suppress(OSError):
            os.rmdir(directory)


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation for operation in (prepare, receive, deliver, discard)
}


def main(operation: str, **arguments: Any) -> Any:
    """Run an operation."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise Failure(REFUSED, "The working directory is gone. os.chdir() to another.") from None
    return OPERATIONS[operation](**arguments)
