"""Environments that are made for a test. uv makes them: in a second, where pip takes a minute."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

UV = (sys.executable, "-m", "uv")


def make_environment(directory: Path, *arguments: str | Path, python: str = sys.executable) -> None:
    """Make an environment, which may be moved afterwards.

    Args:
        directory: its place.
        arguments: what `uv pip install` is given.
        python: its interpreter, or a version that uv finds.
    """
    for command in (
        ("venv", "--relocatable", "--no-project", "--python", python, directory),
        ("pip", "install", "--python", directory, *arguments),
    ):
        environment = {**index(), **os.environ}
        subprocess.run([*UV, "--quiet", *command], env=environment, check=True)


@cache
def index() -> dict[str, str]:
    """The variable that names the index of pip's settings, if they do: uv reads none of them."""
    pip = (sys.executable, "-m", "pip", "config", "list")
    listed = subprocess.run(pip, capture_output=True, text=True, check=True).stdout
    named = re.search(r"\.index-url='(.*)'$", listed, re.MULTILINE)
    return {"UV_DEFAULT_INDEX": named[1]} if named else {}


def found_python(version: str) -> str:
    """An interpreter of this machine, by version; empty if there is none."""
    find = (*UV, "python", "find", "--system", "--no-python-downloads", version)
    # pyenv has all versions on the path, but runs only those that are chosen.
    environment = {**os.environ, "PYENV_VERSION": version}
    done = subprocess.run(find, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()
