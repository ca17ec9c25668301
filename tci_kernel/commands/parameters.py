"""The types of the arguments that name something: paths and variables, here and in the session."""

from __future__ import annotations

import os
from pathlib import Path

from click import Context, Parameter
from click.shell_completion import CompletionItem
from click.types import StringParamType

# Names that are offered at once; nobody reads more.
MAX_NAMES = 500


class Name(StringParamType):
    """Text that names something. What there is, is found out by whoever completes it.

    Args:
        kind: what it names, in words.
    """

    name = "name"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(
        self, _context: Context, _param: Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """One item that stands for all names that begin so."""
        return [CompletionItem(incomplete, type=self.kind)]


# Paths and patterns, on the computer that the kernel runs on and in the session.
LOCAL_PATH = Name("local path")
REMOTE_PATH = Name("remote path")

# Variables, of the `%%local` cells and of the session.
LOCAL_VARIABLE = Name("local variable")
REMOTE_VARIABLE = Name("remote variable")


def local_paths(prefix: str) -> list[str]:
    """The paths here that begin with a prefix; directories end in a slash, as in the session."""
    head, separator, tail = prefix.rpartition("/")
    place = head + separator
    try:
        paths = sorted(Path(place).expanduser().iterdir())
        fitting = [p for p in paths if p.name.startswith(tail) and (tail or p.name[0] != ".")]
        # Unlike pathlib's, this `isdir` never fails.
        return [place + p.name + "/" * os.path.isdir(p) for p in fitting[:MAX_NAMES]]  # noqa: PTH112
    except (OSError, ValueError, RuntimeError):  # no directory, no name, no home
        return []
