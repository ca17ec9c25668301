"""Tells how a file stands: whether it is still the same, and whether it may be removed.

It travels to the session as text before that of the programs that build on it. It may meet any
Python from 3.7 on.
"""

from __future__ import annotations

import os

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.failure import REFUSED, Failure


def stamp(status: os.stat_result) -> list[int]:
    """What a file keeps as long as it stays the same; see `survey.Found`."""
    return [status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev]


def check_removable(path: str, recursive: bool) -> None:
    """Check that nothing goes that was hardly meant."""
    if not is_real_directory(path):
        return
    real = os.path.realpath(path)
    for place in (os.getcwd(), os.path.expanduser("~")):
        if (os.path.realpath(place) + os.sep).startswith(real.rstrip(os.sep) + os.sep):
            raise Failure(
                REFUSED, "%r is not removed: it is, or holds, the directory %r." % (path, place)
            )
    if not recursive:
        raise Failure(
            REFUSED, "%r is a directory. To remove it with all that is in it, add -r." % path
        )


def is_real_directory(path: str) -> bool:
    """Whether it is a directory, and not a link to one."""
    return os.path.isdir(path) and not os.path.islink(path)
