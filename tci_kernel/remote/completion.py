"""Gets ready what completes names: jedi, and the files in which it keeps what it has parsed.

It is imported by the kernel, and travels to the session as text, before that of `helper` and of
`companion`.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path


def warm_up() -> None:
    """Load what completion needs, beside the cells: it takes longer than who types waits.

    On a thread of its own no interrupt of a cell can break it off half way. Who completes waits for
    it: jedi can't be used by two threads at once.
    """
    with contextlib.suppress(Exception):  # without jedi, IPython completes without it
        import jedi  # type: ignore[import-untyped]

        remove_broken_files()
        jedi.Interpreter("int", [{}]).complete()


def remove_broken_files() -> int:
    """Remove what jedi has written in part only; gives how many files these were.

    A process that is killed while it writes there, or a full disk, leaves a file that jedi can't
    read: nothing is completed any more, by whatever process.
    """
    import jedi

    removed = 0
    for path in Path(jedi.settings.cache_directory).glob("*/*.pkl"):
        with contextlib.suppress(OSError):  # another process may have removed it
            if _is_broken(path):
                path.unlink()
                removed += 1
    return removed


def _is_broken(path: Path) -> bool:
    """Whether a file does not end as a pickle does."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        return file.read() != pickle.STOP
