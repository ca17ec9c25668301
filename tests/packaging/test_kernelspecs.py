"""The kernelspecs that the command writes, where Jupyter finds them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import COMMAND
from tests.support.kernels import kernel


def test_jupyter_lists_and_starts_what_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    subprocess.run([*COMMAND, "install", "--prefix", tmp_path, "--name", "work"], check=True)

    jupyter = (sys.executable, "-m", "jupyter", "kernelspec", "list", "--json")
    listed = subprocess.run(jupyter, capture_output=True, check=True)

    specs = json.loads(listed.stdout)["kernelspecs"]
    for name in ("work", "work-local"):
        directory = tmp_path / "share/jupyter/kernels" / name
        assert specs[name]["resource_dir"] == str(directory)
    # A PATH without any Python: the command in the kernelspec has to be enough.
    with kernel("work-local", PATH="/nowhere") as driver:
        assert driver.run("print(6 * 7)").text() == "42\n"
