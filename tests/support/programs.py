"""Programs and libraries that tests of real clients need, and Python's packages don't bring."""

from __future__ import annotations

import ctypes
import os
import shutil
from typing import NoReturn

import pytest


def needed(*names: str) -> str:
    """The path of the first of these programs that is there; without any, the test ends."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    return found or missing(names[0])


def need_libraries(*names: str) -> None:
    """End a test unless these libraries of the system can be loaded."""
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing(name)


def missing(what: str) -> NoReturn:
    """Skip a test for want of what `make clients` installs; in continuous integration, fail."""
    end = pytest.fail if os.environ.get("CI") else pytest.skip
    end(f"{what} is not here: `make clients` installs it")
