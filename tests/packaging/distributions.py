"""The source distribution and the wheel, built."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tci_kernel
from tests.cli.commands import UNSET

ROOT = Path(__file__).parents[2]

# The beginning of their names, and of names in them.
STEM = f"tci_kernel-{tci_kernel.__version__}"


@dataclass(frozen=True)
class Distributions:
    """What is published: two files."""

    sdist: Path
    wheel: Path


def build(source: Path, directory: Path) -> Distributions:
    """Build both from the same sources, with the build backend of this environment."""
    options = ("--no-isolation", "--sdist", "--wheel", "--outdir", directory)
    run(sys.executable, "-m", "build", *options, source)
    sdist, wheel = directory / f"{STEM}.tar.gz", directory / f"{STEM}-py3-none-any.whl"
    assert set(directory.iterdir()) == {sdist, wheel}
    return Distributions(sdist, wheel)


def run(
    *command: str | Path, status: int = 0, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command where no module of ours is found.

    Args:
        command: a program and its arguments.
        status: what it has to end with.
        environment: added to this process's environment.
    """
    unset = (*UNSET, "JUPYTER_PATH", "JUPYTER_PREFER_ENV_PATH", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        command,
        cwd=ROOT.anchor,
        env={**kept, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done
