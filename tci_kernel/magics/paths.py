"""The types of the arguments that are paths: here, and in the session."""

from __future__ import annotations

import os
from pathlib import Path

from click import Context, Parameter
from click.shell_completion import CompletionItem
from click.types import StringParamType

LOCAL, REMOTE = "local path", "remote path"


class _Path(StringParamType):
    """Text that names a place. What there is, is found out by whoever completes it."""

    name = "path"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(
        self, _context: Context, _param: Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """One item that stands for all names that begin so."""
        return [CompletionItem(incomplete, type=self._kind)]


# A path or a pattern on the computer that the kernel runs on.
LOCAL_PATH = _Path(LOCAL)

# A path or a pattern in the session.
REMOTE_PATH = _Path(REMOTE)


def local_names(prefix: str) -> list[str]:
    """The paths here that begin with a prefix; directories end in a slash, as in the session."""
    head, separator, tail = prefix.rpartition("/")
    try:
        entries = list(os.scandir(Path(head + separator).expanduser() if separator else "."))
    except (OSError, ValueError, RuntimeError):  # no directory, no name, no home
        return []
    return sorted(
        head + separator + entry.name + "/" * entry.is_dir()
        for entry in entries
        if entry.name.startswith(tail) and (tail or not entry.name.startswith("."))
    )
