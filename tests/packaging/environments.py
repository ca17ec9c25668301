"""Environments that have the wheel and what that asks for, of chosen versions and Pythons."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.packaging.distributions import ROOT, run
from tests.support.environments import found_python, index, make_environment
from tests.support.kernels import KernelDriver

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

KernelIn = Callable[[Path], AbstractContextManager[KernelDriver]]

# What the tour needs, the variables that are moved after it, and files.
EXTRAS = ("demo", "files", "keyring", "tables")

OLDEST_PYTHON = PROJECT["requires-python"].removeprefix(">=")


@dataclass(frozen=True)
class Environment:
    """An environment, and a user without settings and keys.

    Attributes:
        directory: its place.
        home: the user's directory.
    """

    directory: Path
    home: Path

    @property
    def variables(self) -> dict[str, str]:
        """What the user's shell has set. It finds the tests' own programs as well, such as uv."""
        programs = (self.directory / "bin", Path(sys.executable).parent, os.environ["PATH"])
        return {
            **index(),
            # Where the person who runs the tests keeps downloads, and Matplotlib its list of fonts.
            "XDG_CACHE_HOME": str(Path.home() / ".cache"),
            "HOME": str(self.home),
            # Their keyring is out of reach.
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "PATH": os.pathsep.join(map(str, programs)),
        }

    def run(
        self, command: str, *arguments: str | Path, status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of it, which has to end with a status."""
        program = self.directory / "bin" / command
        return run(program, *arguments, status=status, environment=self.variables)


@contextmanager
def environment(*requirements: str | Path, python: str = sys.executable) -> Iterator[Environment]:
    """Make an environment, and remove it afterwards: some take hundreds of megabytes."""
    with tempfile.TemporaryDirectory() as place:
        real = Path(place).resolve()
        made = Environment(real / "environment", real / "home")
        made.home.mkdir()
        make_environment(made.directory, *requirements, python=python)
        yield made


def with_extras(wheel: Path) -> str:
    """The requirement of a wheel and of the extras."""
    return f"tci-kernel[{','.join(EXTRAS)}] @ {wheel.as_uri()}"


def lowest() -> dict[str, str]:
    """The lowest versions that are allowed of all that the package and the extras ask for."""
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(text for extra in EXTRAS for text in extras[extra])]
    versions = {}
    for requirement in map(Requirement, asked):
        (bound,) = (one.version for one in requirement.specifier if one.operator == ">=")
        versions[requirement.name] = bound
    return versions


def newest_python() -> str:
    """The newest Python of those that the classifiers name and this machine has."""
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    return next(filter(None, map(found_python, reversed(named))), sys.executable)
