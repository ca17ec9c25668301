"""The environment of an interpreter on this computer, with the directories that it names.

It needs nothing that takes long to import: see `early`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tci_kernel.server import janitor_process

# A database on the disk, which ends with the session, would take a third of a short call's time.
IPYTHON_CONFIG = '{"HistoryManager": {"hist_file": ":memory:"}}'

# Variables that belong to the host of the server, not to the code that it runs.
_HOST_VARIABLES = ("TOGETHER_API_KEY", "TOGETHER_BASE_URL", "TCI_SERVER_TOKEN", "JPY_SESSION_NAME")


def prepared(
    runtime_directory: Path, session_id: str, marks: Mapping[str, str], *, uses_profile: bool
) -> dict[str, str]:
    """Make directories for IPython and Jupyter, and give the environment that names them.

    As a rule the profile of the host's user, with its start-up files and history, is not the
    code's. What kernels that it starts leave when they are killed goes with the interpreter.

    Args:
        runtime_directory: where they are made.
        session_id: of the interpreter.
        marks: the variables by which the janitor finds what the interpreter's code starts.
        uses_profile: whether the user's profile is the code's as well.
    """
    runtime = runtime_directory / "jupyter"
    runtime.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if name not in _HOST_VARIABLES}
    environment["JUPYTER_RUNTIME_DIR"] = str(runtime)
    environment[janitor_process.SESSION_VARIABLE] = session_id
    if not uses_profile:
        ipython = runtime_directory / "ipython"
        profile = ipython / "profile_default"
        profile.mkdir(parents=True)
        (profile / "ipython_config.json").write_text(IPYTHON_CONFIG)
        environment["IPYTHONDIR"] = str(ipython)
    return {**environment, **marks}
