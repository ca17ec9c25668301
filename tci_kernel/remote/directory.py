"""Gives an interpreter on another machine a working directory of its own, and removes it.

It is sent as text with each request (see `calls`), and may meet any Python from 3.7 on.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any


def main(operation: str, name: str) -> str:
    """Run an operation.

    Args:
        operation: `enter`, or `leave` for good.
        name: the directory's, below that of all that is temporary.

    Returns:
        its path.
    """
    path = Path(tempfile.gettempdir(), name)
    if operation == "enter":
        path.mkdir(mode=0o700, exist_ok=True)
        os.chdir(path)
        ipython = sys.modules.get("IPython")
        shell: Any = ipython.get_ipython() if ipython else None
        if shell is not None:
            shell.starting_dir = str(path)
    else:
        os.chdir(tempfile.gettempdir())
        shutil.rmtree(path, ignore_errors=True)
    return str(path)
