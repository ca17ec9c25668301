"""What takes long to make and is made once: kept in pytest's cache, which git does not see."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def kept(directory: Path, make: Callable[[Path], None]) -> Path:
    """A directory that `make` fills unless it is there. It is there whole or not at all.

    Args:
        directory: its place.
        make: called with the place to make it in, which does not exist yet. The result is renamed.
    """
    if not directory.exists():
        with tempfile.TemporaryDirectory(dir=directory.parent) as place:
            made = Path(place) / directory.name
            make(made)
            with suppress(OSError):  # another run of the tests was faster
                made.rename(directory)
    return directory
