"""Finds where the files of a request arrive in the session.

That is the directory in which the session began, which its code may have left. It travels to the
session as text before that of `upload` and `variables`, which build on it.
"""

from __future__ import annotations

import os
import sys
from typing import Iterator

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.failure import BROKEN, Failure


def arrived_in(names: list[str], origin: str | None) -> str:
    """The directory that files have just been written to.

    Args:
        names: theirs.
        origin: as in `origins`.
    """
    for directory in origins(origin):
        if all(os.path.exists(os.path.join(directory, name)) for name in names):
            return directory
    raise Failure(
        BROKEN,
        "What was sent is not found, since the working directory was changed: os.chdir() back to "
        "where the session began, and try again.",
    )


def origins(origin: str | None) -> Iterator[str]:
    """Where the session may have begun, the likeliest first.

    Args:
        origin: where it began, if the kernel knows it. IPython knows it by itself.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:  # the code has removed it
        here = os.sep
    yield here
    if origin is not None:
        yield origin
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        yield shell.starting_dir
    yield os.environ.get("PWD", here)
    yield os.path.expanduser("~")
    while here != os.path.dirname(here):
        here = os.path.dirname(here)
        yield here
