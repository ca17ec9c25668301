"""Tools that check files of others' formats, each in an environment that uv makes for it."""

from __future__ import annotations

import sys

from tests.packaging.distributions import ROOT, run
from tests.support.environments import UV, index


def check(package: str, *command: str) -> str:
    """Run a command with a package installed, in the clone; gives what it printed."""
    options = ("--no-project", "--python", sys.executable, "--directory", str(ROOT))
    return run(*UV, "run", *options, "--with", package, *command, environment=index()).stdout
