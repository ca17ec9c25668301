"""What a download was asked for. A session may offer anything, and nothing else may arrive."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tci_kernel.remote.survey import fixed_part


def is_requested(parts: Sequence[str], sources: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether something that a session offers is what was named, or lies below it.

    Args:
        parts: the components of its path below the destination.
        sources: paths and patterns as the user typed them, each with what becomes of the name of
            what is named in full; nothing, if all that is in it may go anywhere below.
    """
    return any(_is_below(root, parts) or _fits(path, parts) for path, root in sources)


def _is_below(root: Sequence[str], parts: Sequence[str]) -> bool:
    return list(parts[: len(root)]) == list(root)


def _fits(path: str, parts: Sequence[str]) -> bool:
    """Whether a pattern stands for something, or for a directory that it lies in; as in `glob`."""
    if not glob.has_magic(path):
        return False
    pattern = Path(os.path.relpath(path, fixed_part(path))).parts
    reached = _over_nothing({0}, pattern)
    for part in parts:
        if len(pattern) in reached:
            break
        found = {at for at in reached if pattern[at] == "**" and not part.startswith(".")}
        found |= {at + 1 for at in reached if _fits_component(pattern[at], part)}
        reached = _over_nothing(found, pattern)
    return len(pattern) in reached


def _over_nothing(reached: set[int], pattern: Sequence[str]) -> set[int]:
    """The places in a pattern that are reached, also where `**` stands for nothing."""
    for at, component in enumerate(pattern):
        if at in reached and component == "**":
            reached.add(at + 1)
    return reached


def _fits_component(pattern: str, part: str) -> bool:
    if part.startswith(".") and not pattern.startswith("."):
        return False
    return pattern != "**" and fnmatchcase(part, pattern)
