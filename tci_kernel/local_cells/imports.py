"""Lets the code of `%%local` cells import what lies in the working directory, and nobody else.

The kernel's own imports must not find files there: they would run where the key is.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

_OWN = __name__.partition(".")[0]


class WorkingDirectoryFinder(MetaPathFinder):
    """Finds modules in the working directory, wherever that moves, after all other places.

    A module that is installed comes first: none of its name takes its place in this process.

    Args:
        namespace: the variables of the user's cells.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._found: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that the user's code asks for."""
        if path is not None or not self._is_users(sys._getframe(1)):  # noqa: SLF001 - who asks
            return None
        with suppress(FileNotFoundError):  # the directory is gone
            spec = PathFinder.find_spec(fullname, [str(Path.cwd())], target)
            if spec is not None:
                self._found.add(fullname)
            return spec
        return None

    def _is_users(self, frame: FrameType | None) -> bool:
        """Whether the user's code has called what runs in a frame, and not this package."""
        while frame is not None:
            module = str(frame.f_globals.get("__name__")).partition(".")[0]
            if frame.f_globals is self._namespace or module in self._found:
                return True
            if module == _OWN:
                return False
            frame = frame.f_back
        return False
