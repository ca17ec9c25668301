"""Packages that a session has installed: saved by name and version, and installed before a load."""

from __future__ import annotations

import json
import os
import subprocess
import venv
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tci_kernel.remote import calls, loader

VERSIONS = ("1.0", "2.0")
PIP = "subprocess.run([sys.executable, '-m', 'pip', '-q', *{!r}], check=True)"
CLOUDPICKLE = files("cloudpickle").joinpath("cloudpickle.py").read_text()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a package in two versions."""
    directory = tmp_path_factory.mktemp("wheels")
    for version in VERSIONS:
        info = f"mine-{version}.dist-info"
        with zipfile.ZipFile(directory / f"mine-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("mine.py", f"__version__ = '{version}'\nclass Thing: pass\n")
            wheel.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: mine\nVersion: {version}\n"
            )
            kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{info}/WHEEL", kind)
            wheel.writestr(f"{info}/RECORD", "")
    return directory


class Environment:
    """A Python with pip and nothing else, in which each call is a session of its own."""

    def __init__(self, directory: Path, wheels: Path) -> None:
        venv.create(directory, with_pip=True, symlinks=True)
        self._python = directory / "bin" / "python"
        self.wheels = wheels

    def run(self, code: str, check: bool = True) -> str:
        """What code prints."""
        done = subprocess.run(
            [str(self._python), "-"],
            input=code,
            env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def pip(self, *words: str) -> None:
        """Have pip do something."""
        self.run(f"import subprocess, sys; {PIP.format(words)}")

    def call(self, before: str, program: str, after: str = "", **arguments: Any) -> Any:
        """What a program answers between two pieces of code."""
        code = "\n".join([before, loader.program(program, arguments), after])
        printed = self.run(code)
        assert calls.BEGIN in printed
        answer = json.loads(printed.split(calls.BEGIN)[1].split(calls.END)[0])
        assert "value" in answer, answer
        return answer["value"], printed.split(calls.END)[1].strip()


@pytest.fixture
def environment(tmp_path: Path, wheels: Path) -> Environment:
    return Environment(tmp_path / "venv", wheels)


INSTALL = f"""
import importlib, subprocess, sys
{PIP.format(("install", "mine==1.0"))}
importlib.invalidate_caches()
import mine
thing = mine.Thing()
thing.x = 5
"""


def saved(environment: Environment, before: str) -> str:
    """Where a session's state lies that has run code."""
    arguments: dict[str, Any] = {
        "token": os.urandom(8).hex(),
        "cloudpickle": CLOUDPICKLE,
        "paths": [],
        "directories": [],
        "known": [],
        "reruns": False,
    }
    answer, _ = environment.call(before, "saving", operation="save", **arguments)
    return str(answer["path"])


def loaded(environment: Environment, path: str, before: str, after: str) -> tuple[Any, str]:
    """What a load says, and what code prints that runs after it."""
    arguments = {"path": path, "cloudpickle": CLOUDPICKLE}
    answer, printed = environment.call(before, "loading", after, operation="load", **arguments)
    Path(path).unlink()
    return answer, printed


def test_it_is_installed_before_what_needs_it(environment: Environment) -> None:
    path = saved(environment, INSTALL)
    environment.pip("uninstall", "-y", "mine")
    after = "print(thing.x, type(thing).__module__)"
    answer, printed = loaded(environment, path, "", after)
    assert answer["installed"] == ["mine==1.0"]
    assert answer["failed"] == []
    assert printed == "5 mine"


def test_what_was_there_before_is_not_listed_and_another_version_is_told(
    environment: Environment,
) -> None:
    environment.pip("install", "mine==1.0")
    path = saved(environment, "import mine; thing = mine.Thing()")
    environment.pip("install", "mine==2.0")
    answer, _ = loaded(environment, path, "import mine", "")
    assert answer["installed"] == []
    assert answer["notes"] == ["mine is 2.0 here, and was 1.0."]


def test_what_can_not_be_installed_is_told_and_the_rest_is_loaded(
    environment: Environment, tmp_path: Path
) -> None:
    path = saved(environment, INSTALL + "plain = [1]")
    environment.pip("uninstall", "-y", "mine")
    environment.wheels = tmp_path  # which has none
    answer, printed = loaded(environment, path, "", "print(plain)")
    failed = dict(answer["failed"])
    assert "No matching distribution found for mine==1.0" in failed["packages mine==1.0"]
    assert "No module named 'mine'" in failed["thing"]
    assert printed == "[1]"
