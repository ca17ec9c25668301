"""What is common to saving a session's state and to loading it: the file, and the user's shell.

It travels to the session as text before that of `saving` and `loading`; the kernel reads the file
by the same names. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.rebuilding import user_namespace

FORMAT = 1

# The first and the last entry of the file. Between them are blobs, named by their SHA-256.
TITLE = "tci-kernel-state"
MANIFEST = "manifest.json"
HEAD = (
    "The state of a Python session, saved by tci-kernel. Loading it runs code that it holds: do "
    "that in a session of your own alone. 'tci-kernel inspect' shows what is in it, and loads "
    "nothing.\n"
)

# Begins the names of what is on its way.
STAGED = "tci-state-"


def staged(token: str) -> str:
    """Where a state is on its way in or out: a file or a directory."""
    return os.path.join(tempfile.gettempdir(), STAGED + token)


def shell_of_user() -> Any:
    """The IPython whose variables are the user's; None where there is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if shell is not None and shell.user_ns is user_namespace() else None
