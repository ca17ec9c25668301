"""Finds the files of this computer that an upload takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tci_kernel.core.errors import FileError
from tci_kernel.remote.failure import Failure
from tci_kernel.remote.survey import Found, Survey, fixed_part
from tci_kernel.transfer.ignore import Rules


@dataclass(frozen=True, slots=True)
class Sources:
    """What an upload takes.

    Attributes:
        files: each with the parts of its path below the destination.
        directories: the parts of each; they arrive even if nothing is in them.
        left_out: what was found and can't take part, a sentence each.
    """

    files: Sequence[Found]
    directories: Sequence[Sequence[str]]
    left_out: Sequence[str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(found.stamp[0] for found in self.files)


def find_sources(paths: Sequence[str], exclude: Sequence[str] = ()) -> Sources:
    """Find what paths and patterns stand for. What git ignores is left out, unless it is named.

    Args:
        paths: files, directories, patterns (`*`, `?`, `[…]`, `**`).
        exclude: patterns of what to leave out, as in a `.gitignore`.

    Raises:
        FileError: something is missing or can't be read, or two files have the same name.
    """
    rules: Rules | None = None

    def takes(path: str, is_directory: bool) -> bool:
        return rules is None or rules.keep(path, is_directory)

    survey = Survey(takes)
    try:
        for path in paths:
            rules = Rules(_base(path), exclude)
            survey.add(path, root(path))
    except Failure as failure:
        raise FileError(str(failure)) from failure
    except OSError as error:  # such as a working directory that is gone
        raise FileError(f"Files can't be looked for: {error}.") from error
    return Sources(survey.files, survey.directories, survey.left_out)


def root(path: str) -> list[str]:
    """The name that a file or directory keeps when it is transferred, by the path that was typed.

    Of `.`, `..`, `/` and `~` it is what they hold that is transferred.
    """
    bare = path.rstrip("/" + os.sep)
    name = os.path.basename(bare)  # noqa: PTH119 - "x/." is not "x"
    return [] if name in ("", ".", "..") or bare == "~" else [name]


def _base(path: str) -> str:
    """The directory below which a path or pattern finds something."""
    expanded = os.path.expanduser(path)  # noqa: PTH111 - a pattern is no path
    return expanded if os.path.lexists(expanded) else fixed_part(expanded)
