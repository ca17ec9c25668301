"""Reads what a session says of its files. No name from it is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tci_kernel.filesystem.paths import joined
from tci_kernel.transfer.destination import check_component
from tci_kernel.transfer.transfer import unexpected_answer

# What fsspec has of a file; `stamp` is ours.
Info = dict[str, Any]


def info_of(path: str, facts: Any) -> Info:
    """What fsspec says of a file; of `facts` see `look` in `remote/places.py`.

    Raises:
        InvalidAnswer: they are none.
    """
    try:
        kind, [size, changed, inode, device], mode, created, target = facts
        info: Info = {
            "name": path,
            "type": str(kind),
            "size": int(size),
            "mtime": int(changed) / 1e9,
            "created": float(created),
            "mode": int(mode),
            "stamp": [int(size), int(changed), int(inode), int(device)],
            "islink": target is not None,
        }
    except (TypeError, ValueError) as error:
        raise unexpected_answer() from error
    if info["type"] not in ("file", "directory", "other") or info["size"] < 0:
        raise unexpected_answer()
    return info if target is None else {**info, "destination": str(target)}


def listed(path: str, rows: Any) -> Iterator[Info]:
    """What a directory holds; of `rows` see `entries` in `remote/places.py`.

    Raises:
        InvalidAnswer: they are none, or a name would lead elsewhere.
    """
    try:
        for name, *facts in rows:
            check_component(name)
            yield info_of(joined(path, name), facts)
    except (TypeError, ValueError) as error:
        raise unexpected_answer() from error


def tree(path: str, rows: Any) -> dict[str, Info]:
    """What is at a path and below it, by path; of `rows` see `tree` in `remote/places.py`.

    Raises:
        InvalidAnswer: as of `listed`.
    """
    found = {}
    try:
        for parts, *facts in rows:
            for part in parts:
                check_component(part)
            name = joined(path, "/".join(parts)) if parts else path
            found[name] = info_of(name, facts)
    except (TypeError, ValueError) as error:
        raise unexpected_answer() from error
    return dict(sorted(found.items()))
