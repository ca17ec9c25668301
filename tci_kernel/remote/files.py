"""Finds, reads, lists and removes the session's files for the kernel.

It is sent as text with each request (see `calls`) and runs one operation. The kernel finds its own
files with the same code. It may meet any Python from 3.7 on, with IPython or without.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import glob
import hashlib
import os
import shutil
import stat
from typing import Any, Callable, NamedTuple

# Bytes that are read at a time where nothing else bounds them.
BLOCK = 1 << 20

MAX_NAMES = 500


class Refused(Exception):
    """What is asked can't be done; nothing has changed. Its text is for the user."""


class Broken(Exception):
    """A transfer breaks off on the way. Its text is for the user."""


# -- what is there ---------------------------------------------------------------------------


class Found(NamedTuple):
    """A file that takes part in a transfer.

    Attributes:
        parts: the components of its path below the destination.
        path: where it is, absolute.
        stamp: size, time of change in ns, inode and device: as long as they stay, so does it.
        executable: whether its owner may run it.
    """

    parts: list[str]
    path: str
    stamp: list[int]
    executable: bool


class Survey:
    """What paths and patterns stand for.

    Args:
        takes: whether what was not named, but found, takes part: asked with its path, and whether
            it is a directory.

    Attributes:
        files: in the order in which they were found.
        directories: the parts of each; parents come first.
        left_out: what was found and can't take part, a sentence each.
    """

    def __init__(self, takes: Callable[[str, bool], bool] = lambda _path, _is_directory: True):
        self.files: list[Found] = []
        self.directories: list[list[str]] = []
        self.left_out: list[str] = []
        self._takes = takes
        self._places: dict[tuple[str, ...], str] = {}

    def add(self, typed: str, root: list[str]) -> None:
        """Find what a path or a pattern stands for.

        Args:
            typed: as the user wrote it; `~` is the home directory.
            root: what becomes of the name of a file or directory that is named in full.
        """
        path = os.path.expanduser(typed)
        if os.path.lexists(path) or not glob.has_magic(path):
            self._take(path, root, look(path))
            return
        base = fixed_part(path)
        matches = sorted(glob.iglob(path, recursive=True))
        if not matches:
            raise Refused("Nothing matches %r in %s." % (typed, os.getcwd()))
        taken = [(match, status) for match in matches for status in self._meet(match)]
        if not taken:
            raise Refused("All that %r matches is ignored, or no file." % typed)
        for match, status in taken:
            self._take(match, os.path.relpath(match, base).split(os.sep), status)

    def _take(self, path: str, parts: list[str], status: os.stat_result) -> None:
        pending = [(os.path.abspath(path), [part for part in parts if part != "."], status)]
        while pending:
            path, parts, status = pending.pop()
            if self._places.get(tuple(parts)) == path:
                continue  # two patterns have found it
            self._claim(parts, path)
            if stat.S_ISREG(status.st_mode):
                if not os.access(path, os.R_OK):
                    raise Refused("There is no permission to read %r." % path)
                executable = bool(status.st_mode & stat.S_IXUSR)
                self.files.append(Found(parts, path, stamp(status), executable))
            elif stat.S_ISDIR(status.st_mode):
                self.directories.append(parts)
                inner = [(os.path.join(path, name), [*parts, name]) for name in names_in(path)]
                met = [(*item, found) for item in inner for found in self._meet(item[0])]
                pending += reversed(met)
            else:
                raise Refused("%r is a %s, not a file." % (path, kind(status.st_mode)))

    def _claim(self, parts: list[str], path: str) -> None:
        if ".." in parts:
            raise Refused("%r leads out of the directory that it was found in." % path)
        other = self._places.setdefault(tuple(parts), path)
        if other != path:
            raise Refused(
                "%r and %r would both become %r. Transfer them one by one, to different places."
                % (other, path, "/".join(parts))
            )

    def _meet(self, path: str) -> list[os.stat_result]:
        """The status of what was found; nothing if it takes no part.

        Links to directories take none: they might lead anywhere, and never end.
        """
        is_directory = os.path.isdir(path)
        if not self._takes(path, is_directory):
            return []
        try:
            status = look(path)
        except Refused as refused:
            self.left_out.append(str(refused))
            return []
        if is_directory and os.path.islink(path):
            self.left_out.append("%r is a link to a directory." % path)
        elif not is_directory and not stat.S_ISREG(status.st_mode):
            self.left_out.append("%r is a %s." % (path, kind(status.st_mode)))
        else:
            return [status]
        return []


def look(path: str) -> os.stat_result:
    """The status of what a path leads to, over links too."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            raise Refused("%r is a link that leads nowhere." % path) from None
        raise Refused("There is no %r in %s." % (path, os.getcwd())) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Refused("%r is a link that leads back to itself." % path) from None
        raise Refused("%r can't be looked at: %s." % (path, error.strerror)) from None
    except ValueError as error:
        raise Refused("%r is no path: %s." % (path, error)) from None


def names_in(path: str) -> list[str]:
    """The names in a directory, sorted."""
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        raise Refused("%r can't be looked into: %s." % (path, error.strerror)) from None


def kind(mode: int) -> str:
    """What a mode says that something is, in a word."""
    tests = {"file": stat.S_ISREG, "directory": stat.S_ISDIR, "pipe": stat.S_ISFIFO}
    tests["socket"] = stat.S_ISSOCK
    for name, test in tests.items():
        if test(mode):
            return name
    return "device"


def stamp(status: os.stat_result) -> list[int]:
    """See `Found`."""
    return [status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev]


def fixed_part(pattern: str) -> str:
    """The directory that a pattern names before its first wildcard."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern or os.curdir


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
    path = os.path.expanduser(path) or os.curdir
    is_directory = stat.S_ISDIR(look(path).st_mode)
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


def names(prefix: str) -> list[str]:
    """The paths that begin with what was typed; directories end in a slash."""
    directory, beginning = os.path.split(prefix)
    place = os.path.expanduser(directory) or os.curdir
    with contextlib.suppress(Refused, ValueError):
        fitting = [
            name
            for name in names_in(place)
            if name.startswith(beginning) and (beginning or not name.startswith("."))
        ]
        return [
            os.path.join(directory, name) + (os.path.isdir(os.path.join(place, name)) * "/")
            for name in fitting[:MAX_NAMES]
        ]
    return []


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
                raise Broken(
                    "%r is longer than its size says, as files of the system are. Copy it, and "
                    "transfer the copy." % path
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
        raise Broken("%r changed while it was transferred." % path)


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
            raise Refused("There is no %r in %s." % (typed, os.getcwd()))
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
            raise Broken(
                "%r can't be removed: %s. Removed before it: %d of %d."
                % (error.filename or path, error.strerror, count, len(doomed))
            ) from None
    return len(doomed)


def check_removable(path: str, recursive: bool) -> None:
    """Check that nothing goes that was hardly meant."""
    if not is_real_directory(path):
        return
    real = os.path.realpath(path)
    for place in (os.getcwd(), os.path.expanduser("~")):
        if (os.path.realpath(place) + os.sep).startswith(real.rstrip(os.sep) + os.sep):
            raise Refused("%r is not removed: it is, or holds, the directory %r." % (path, place))
    if not recursive:
        raise Refused("%r is a directory. To remove it with all that is in it, add -r." % path)


def is_real_directory(path: str) -> bool:
    """Whether it is a directory, and not a link to one."""
    return os.path.isdir(path) and not os.path.islink(path)


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation for operation in (survey, read, digest, listing, names, remove)
}


def main(operation: str, **arguments: Any) -> Any:
    """Run an operation."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise Refused("The working directory is gone. os.chdir() to another.") from None
    return OPERATIONS[operation](**arguments)
