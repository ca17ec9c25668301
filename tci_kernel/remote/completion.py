"""Gets ready what completes names: jedi, and the files in which it keeps what it has parsed.

It is imported by the kernel, and travels to the session as text, before that of `helper` and of
`companion`.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any, Iterator


def warm_up() -> None:
    """Load what completion needs, beside the cells: it takes longer than who types waits.

    On a thread of its own no interrupt of a cell can break it off half way. Who completes waits for
    it: jedi can't be used by two threads at once.
    """
    with contextlib.suppress(Exception):  # without jedi, IPython completes without it
        import jedi  # type: ignore[import-untyped]

        remove_broken_files()
        with warnings_left_alone("jedi"):
            jedi.Interpreter("int", [{}]).complete()


class NoWarnings:
    """What stands in for the module `warnings` where its filters must stay as they are."""

    def catch_warnings(self, **options: Any) -> contextlib.AbstractContextManager[None]:
        """Catch none."""
        del options
        return contextlib.nullcontext()

    def simplefilter(self, *options: Any) -> None:
        """Filter none."""


@contextlib.contextmanager
def warnings_left_alone(package: str) -> Iterator[None]:
    """Have a package that this thread uses set no filters of warnings.

    They are all threads': a cell's warning would be lost meanwhile, or shown a second time.
    """
    modules: list[Any] = [
        module
        for name, module in [*sys.modules.items()]
        if name.startswith(f"{package}.") and getattr(module, "warnings", None) is warnings
    ]
    for module in modules:
        module.warnings = NoWarnings()
    try:
        yield
    finally:
        for module in modules:
            module.warnings = warnings


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
