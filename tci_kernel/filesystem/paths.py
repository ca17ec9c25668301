"""Paths as fsspec has them, without `tci://`: a session's id, and a path in it.

What stands behind the id and one slash is relative to the session's working directory; behind two
it is absolute: `ses_…/data.csv`, `ses_…//tmp/data.csv`. The empty path is the list of sessions.
"""

from __future__ import annotations


def split(path: str) -> tuple[str, str]:
    """The session's id, and the path there; `~` is a name as any other."""
    session_id, _, there = path.partition("/")
    return session_id, f"./{there}" if there.startswith("~") else there or "."


def joined(directory: str, name: str) -> str:
    """The path of what a directory has under a name."""
    return f"{directory}{name}" if directory.endswith("/") else f"{directory}/{name}"


def parent(path: str) -> str:
    """The path of the directory that something is in."""
    above, _, _ = path.rpartition("/")
    return f"{above}/" if above.endswith("/") else above
