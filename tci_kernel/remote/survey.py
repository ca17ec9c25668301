"""Finds the files that paths and patterns stand for.

It travels to the session as text before that of `files`, which builds on it. The kernel finds its
own files with the same code. It may meet any Python from 3.7 on.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
from typing import Callable, NamedTuple

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.failure import REFUSED, Failure
    from tci_kernel.remote.standing import stamp


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
            self._take(path, root, look(path, typed))
            return
        base = fixed_part(path)
        matches = sorted(glob.iglob(path, recursive=True))
        if not matches:
            raise Failure(REFUSED, "Nothing matches %s." % located(typed))
        taken = [(match, status) for match in matches for status in self._meet(match)]
        if not taken:
            raise Failure(REFUSED, "All that %r matches is ignored, or no file." % typed)
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
                    raise Failure(REFUSED, "There is no permission to read %r." % path)
                executable = bool(status.st_mode & stat.S_IXUSR)
                self.files.append(Found(parts, path, stamp(status), executable))
            elif stat.S_ISDIR(status.st_mode):
                self.directories.append(parts)
                inner = [(os.path.join(path, name), [*parts, name]) for name in names_in(path)]
                met = [(*item, found) for item in inner for found in self._meet(item[0])]
                pending += reversed(met)
            else:
                raise Failure(REFUSED, "%r is a %s, not a file." % (path, kind(status.st_mode)))

    def _claim(self, parts: list[str], path: str) -> None:
        if ".." in parts:
            raise Failure(REFUSED, "%r leads out of the directory that it was found in." % path)
        other = self._places.setdefault(tuple(parts), path)
        if other != path:
            raise Failure(
                REFUSED,
                "%r and %r would both become %r. Transfer them one by one, to different places."
                % (other, path, "/".join(parts)),
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
        except Failure as failure:
            self.left_out.append(str(failure))
            return []
        if is_directory and os.path.islink(path):
            self.left_out.append("%r is a link to a directory." % path)
        elif not is_directory and not stat.S_ISREG(status.st_mode):
            self.left_out.append("%r is a %s." % (path, kind(status.st_mode)))
        else:
            return [status]
        return []


def look(path: str, typed: str | None = None) -> os.stat_result:
    """The status of what a path leads to, over links too.

    Args:
        path: where it is.
        typed: as the user wrote it, if that is how it was found.
    """
    name = path if typed is None else typed
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            raise Failure(REFUSED, "%r is a link that leads nowhere." % name) from None
        raise Failure(REFUSED, "There is no %s." % located(name)) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Failure(REFUSED, "%r is a link that leads back to itself." % name) from None
        raise Failure(REFUSED, "%r can't be looked at: %s." % (name, error.strerror)) from None
    except ValueError as error:
        raise Failure(REFUSED, "%r is no path: %s." % (name, error)) from None


def located(typed: str) -> str:
    """A path or pattern as the user wrote it, and where that is, if it depends."""
    if os.path.isabs(os.path.expanduser(typed)):
        return repr(typed)
    return "%r in %s" % (typed, os.getcwd())


def names_in(path: str) -> list[str]:
    """The names in a directory, sorted."""
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        raise Failure(REFUSED, "%r can't be looked into: %s." % (path, error.strerror)) from None


def kind(mode: int) -> str:
    """What a mode says that something is, in a word."""
    tests = {"file": stat.S_ISREG, "directory": stat.S_ISDIR, "pipe": stat.S_ISFIFO}
    tests["socket"] = stat.S_ISSOCK
    for name, test in tests.items():
        if test(mode):
            return name
    return "device"


def fixed_part(pattern: str) -> str:
    """The directory that a pattern names before its first wildcard."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern or os.curdir
