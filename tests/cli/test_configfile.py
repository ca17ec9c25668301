"""`--generate-config`, `--show-config` and `--help-all`, as Jupyter's applications have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = "sk-very-secret"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "configuration"


def run(
    directory: Path, *arguments: str, answer: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tci_kernel", *arguments],
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(directory), **environment},
        input=answer,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_file_is_generated_and_overwritten_only_if_that_is_wished(directory: Path) -> None:
    path = directory / "tci_kernel_config.py"

    done = run(directory, "--generate-config")
    assert (done.returncode, done.stdout) == (0, f"Wrote {path}\n")
    assert path.stat().st_mode & 0o777 == 0o600
    generated = path.read_text()
    assert "# c.TCIClient.base_url = " in generated

    path.write_text("c.TCIKernel.local = True\n")
    for answer in ("", "\n", "n\n", "what?\n"):
        done = run(directory, "--generate-config", answer=answer)
        assert done.returncode == 2
        assert done.stdout.startswith(f"Overwrite {path}? [y/N] ")
        assert "-y" in done.stderr
        assert path.read_text() == "c.TCIKernel.local = True\n"
    assert run(directory, "--generate-config", answer="y\n").returncode == 0
    assert path.read_text() == generated
    path.write_text("")
    assert run(directory, "--generate-config", "-y").returncode == 0
    assert path.read_text() == generated


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = run(tmp_path / "file", "--generate-config")

    assert done.returncode == 2
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_in_force_is_shown_with_its_source(directory: Path) -> None:
    directory.mkdir()
    path = directory / "tci_kernel_config.py"
    path.write_text("c.RemoteSession.retry_for = 5\nc.RemoteSession.retry_four = 5\n")
    arguments = ["--TCIClient.read_timeout=30", "--local"]

    shown = run(directory, "--show-config", *arguments, TOGETHER_API_KEY=SECRET)
    assert shown.returncode == 0
    assert f"RemoteSession.retry_for = 5  ({path})" in shown.stdout
    assert "TCIClient.read_timeout = 30.0  (command line)" in shown.stdout
    assert "TCIKernel.local = True  (command line)" in shown.stdout
    assert "TCIClient.api_key = 'set'  (environment variable TOGETHER_API_KEY)" in shown.stdout
    assert "Did you mean 'RemoteSession.retry_for'?" in shown.stderr

    listed = run(directory, "--show-config-json", *arguments, TOGETHER_API_KEY=SECRET)
    (one,) = [row for row in json.loads(listed.stdout) if row["name"] == "RemoteSession.retry_for"]
    assert (one["value"], one["default"], one["source"]) == (5, 60.0, str(path))
    assert SECRET not in shown.stdout + shown.stderr + listed.stdout + listed.stderr


def test_debug_log_has_no_key(directory: Path) -> None:
    directory.mkdir()
    (directory / "tci_kernel_config.py").write_text(f"c.TCIClient.api_key = {SECRET!r}\n")

    shown = run(directory, "--show-config", "--debug", f"--TCIClient.api_key={SECRET}")

    assert shown.returncode == 0
    assert SECRET not in shown.stdout + shown.stderr


def test_help_shows_all_settings(directory: Path) -> None:
    text = run(directory, "--help-all", TOGETHER_API_KEY=SECRET).stdout

    for name in (
        "TCIKernel.local",
        "RemoteSession.on_expiry",
        "TCIClient.base_url",
        "LocalServer.max_sessions",
        "TCIKernelApp.log_level",
        "Session.username",
    ):
        assert f"\n--{name}=" in text
    assert SECRET not in text


def test_a_mistake_made_by_hand_starts_no_kernel(directory: Path) -> None:
    done = run(directory, "--lcoal")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "command line: there is no option '--lcoal'. Did you mean '--local'?\n"
