"""Which files an upload leaves out: what git ignores, and what the user excludes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tci_kernel.core.errors import FileError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


# What the library calls the group for the slash after a directory.
_SLASH = "ps_d"


class Rules:
    """The rules that hold below a directory.

    As in git, those of a `.gitignore` further down come first, and those of the directories above
    count up to the one that holds the repository. But if they ignore the directory itself, they
    are passed over: somebody named it all the same.

    Args:
        base: the directory.
        exclude: patterns of the user's own, as lines of a `.gitignore` in `base`.

    Raises:
        FileError: a pattern can't be understood.
    """

    def __init__(self, base: str, exclude: Sequence[str]) -> None:
        self._base = Path(base).absolute()
        self._exclude = _spec(exclude, strict=True)
        self._specs: dict[Path, GitIgnoreSpec] = {}
        self._above = list(_up_to_repository(self._base))
        if self._verdict(self._base, True, self._above):
            self._above = []

    def keep(self, path: str, is_directory: bool) -> bool:
        """Whether something below the directory takes part."""
        inner = Path(path).absolute()
        for parent in (*reversed(inner.relative_to(self._base).parents[:-1]), None):
            step = inner if parent is None else self._base / parent
            if self._is_out(step, parent is not None or is_directory):
                return False
        return True

    def _is_out(self, path: Path, is_directory: bool) -> bool:
        if path.name == ".git" or _verdict(self._exclude, _named(path, self._base, is_directory)):
            return True
        below = path.parent.relative_to(self._base)
        inside = [self._base / parent for parent in (below, *below.parents)]
        return self._verdict(path, is_directory, [*inside, *self._above])

    def _verdict(self, path: Path, is_directory: bool, directories: Sequence[Path]) -> bool:
        """What the first of some directories says whose rules have something to say."""
        for directory in directories:
            name = _named(path, directory, is_directory)
            if (verdict := _verdict(self._spec_of(directory), name)) is not None:
                return verdict
        return False

    def _spec_of(self, directory: Path) -> GitIgnoreSpec:
        if directory not in self._specs:
            self._specs[directory] = _spec(_lines(directory / ".gitignore"))
        return self._specs[directory]


def _up_to_repository(base: Path) -> Iterator[Path]:
    """The directories above one, up to that of the git repository that it is in, if it is in one.

    The repository's own top has none that count.
    """
    for i, directory in enumerate((base, *base.parents)):
        if os.path.exists(directory / ".git"):  # noqa: PTH110 - unlike pathlib's, it never fails
            yield from base.parents[:i]
            return


def _named(path: Path, directory: Path, is_directory: bool) -> str:
    """A path as the rules of a directory see it."""
    return path.relative_to(directory).as_posix() + "/" * is_directory


def _verdict(spec: GitIgnoreSpec, name: str) -> bool | None:
    """Whether rules ignore something, by the last that matches it; None if none does."""
    for pattern in reversed(spec.patterns):
        if pattern.regex is not None and _fits(pattern.regex, name):
            return pattern.include
    return None


def _fits(pattern: re.Pattern[str], name: str) -> bool:
    """Whether one of the library's patterns matches something itself.

    They also match all that is below a directory that they match, which has been asked about
    before: the slash that they found is then not the name's last letter. And those that match
    what is in a directory alone (`x/**`) would take its own slash for the first letter of that.
    """
    if _SLASH in pattern.groupindex:
        return any(match.end(_SLASH) in (-1, len(name)) for match in pattern.finditer(name))
    return pattern.search(name.rstrip("/")) is not None


def _lines(path: Path) -> list[str]:
    try:
        return os.fsdecode(path.read_bytes()).splitlines() if path.is_file() else []
    except OSError as error:
        raise FileError(f"{str(path)!r} can't be read: {error.strerror}.") from error


def _spec(lines: Sequence[str], *, strict: bool = False) -> GitIgnoreSpec:
    """Rules from lines. Like git, pass over a line that is no pattern, unless `strict`."""
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - most cells upload nothing

    good = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError as error:
            if strict:
                raise FileError(f"{line!r} is no pattern: {error}.") from error
        else:
            good.append(line)
    return GitIgnoreSpec.from_lines(good)
