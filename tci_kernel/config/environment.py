"""The Python environment of this process, and how packages get into it."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec


def install_command(*arguments: str) -> str:
    """The command that installs packages into this environment, for a user to run.

    It names this Python, since the environment need not be the one of the user's shell.

    Args:
        arguments: requirements, and options that pip and uv both have.
    """
    pip = [sys.executable, "-m", "pip", "install"]
    if find_spec("pip") is None:  # as in environments that uv made
        pip = ["uv", "pip", "install", "--python", sys.executable]
    return shlex.join([*pip, *arguments])
