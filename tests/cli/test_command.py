"""The command `tci-kernel`: what it does, what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import tci_kernel
from tci_kernel.cli import main
from tci_kernel.cli.common import FAILED, INTERRUPTED, OK, SERVICE, USAGE

SCRIPTS = Path(sysconfig.get_path("scripts"))
ENVIRONMENT_KERNELS = Path(sys.prefix, "share", "jupyter", "kernels")

GROUPS = {
    "Run code": ["run", "serve"],
    "Status": ["doctor", "sessions", "inspect"],
    "The API key": ["login", "logout"],
    "Kernels for Jupyter": ["install", "uninstall", "kernel"],
}
COMMANDS = [name for names in GROUPS.values() for name in names if name != "kernel"]

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def user_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's Jupyter directory, which is also what is meant where nothing is said."""
    directory = tmp_path / "user"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(directory))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    return directory


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tci_kernel", *arguments],
        check=False,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def ending(*arguments: str) -> object:
    """Run the command in this process, and give the status with which it would end."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def failing(capsys: Captured, *arguments: str) -> str:
    """Run the command in this process, expect it to end with 2, and give what it said."""
    assert ending(*arguments) == USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


# --------------------------------------------------------------------------------------------
# Help and versions


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: tci-kernel ")
    listed = {
        title: re.findall("^  ([a-z]+)  +[A-Z].*[.]$", lines, re.MULTILINE)
        for title, lines in re.findall(r"^(\S.*):\n((?:  .*\n)+)", text, re.MULTILINE)
    }
    assert {title: listed.get(title) for title in GROUPS} == GROUPS
    for status in (OK, FAILED, USAGE, SERVICE, INTERRUPTED):
        assert f"\n    {status} " in text


@pytest.mark.parametrize("columns", [80, 200])
def test_help_fits_a_terminal(
    columns: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    for command in ([], *([command] for command in COMMANDS)):
        ending(*command, "--help")
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) < 90
        # What does not fit into its line of the list would be cut off so.
        assert not [line for line in lines if line.endswith("...") and "Usage:" not in line]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help(command: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])

    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: tci-kernel {command} ")
    assert f"\n    tci-kernel {command}" in text.partition("Example")[2]
    # What click calls a value that nobody has named.
    assert not re.search("INTEGER|FLOAT|TEXT|RANGE", text)


def test_version_is_that_of_the_package() -> None:
    for command in ([sys.executable, "-m", "tci_kernel"], [str(SCRIPTS / "tci-kernel")]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"{tci_kernel.__version__}\n"


def test_options_of_the_kernel_are_its_own() -> None:
    done = run("kernel", "--help")

    assert done.returncode == 0
    assert "--local" in done.stdout
    assert "-f=" in done.stdout


def test_token_in_the_environment_is_not_shown_in_the_help() -> None:
    assert "hush" not in run("serve", "--help", TCI_SERVER_TOKEN="hush").stdout


@pytest.mark.parametrize("typo", ["instal", "Serve", "connection.json"])
def test_unknown_command_starts_no_kernel(typo: str, capsys: Captured) -> None:
    said = failing(capsys, typo)

    assert f"No such command {typo!r}." in said
    assert "'tci-kernel --help'" in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(shell: str) -> None:
    script = run(_TCI_KERNEL_COMPLETE=f"{shell}_source")
    assert script.returncode == 0
    assert "_TCI_KERNEL_COMPLETE" in script.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [("tci-kernel un", "uninstall"), ("tci-kernel doctor --ex", "--execute")],
)
def test_commands_and_options_are_completed(words: str, expected: str) -> None:
    place = str(len(words.split()) - 1)
    done = run(_TCI_KERNEL_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=place)

    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == [expected]


# --------------------------------------------------------------------------------------------
# Installing and uninstalling


def test_install_and_uninstall_name_what_they_did(tmp_path: Path, capsys: Captured) -> None:
    directories = [tmp_path / "share/jupyter/kernels" / name for name in ("work", "work-local")]

    ending("install", "--prefix", str(tmp_path), "--name", "work", "--display-name", "At work")
    assert capsys.readouterr().out.splitlines() == [f"Installed {path}" for path in directories]
    names = [json.loads((path / "kernel.json").read_text())["display_name"] for path in directories]
    assert names == ["At work", "At work (local)"]

    ending("uninstall", "--prefix", str(tmp_path), "--name", "work")
    assert capsys.readouterr().out.splitlines() == [f"Removed {path}" for path in directories]
    assert not any(path.exists() for path in directories)


@pytest.mark.parametrize("place", [["--user"], []])
def test_install_for_the_user(place: list[str], user_directory: Path) -> None:
    installed = run("install", *place)

    assert (installed.returncode, installed.stderr) == (0, "")
    written = sorted(user_directory.glob("kernels/*/kernel.json"))
    assert [path.parent.name for path in written] == ["tci", "tci-local"]
    assert run("uninstall", *place).returncode == 0
    assert list(user_directory.glob("kernels/*")) == []


def test_programs_read_where_the_kernelspecs_are(tmp_path: Path, capsys: Captured) -> None:
    paths = [str(tmp_path / "share/jupyter/kernels" / name) for name in ("tci", "tci-local")]

    for command in ("install", "uninstall"):
        ending(command, "--prefix", str(tmp_path), "--json")
        assert json.loads(capsys.readouterr().out) == paths


def test_uninstall_of_nothing_says_so(tmp_path: Path, capsys: Captured) -> None:
    said = failing(capsys, "uninstall", "--prefix", str(tmp_path), "--name", "absent")

    assert (
        said.split()
        == (
            f"tci-kernel: There is no kernel 'absent' of tci-kernel in {tmp_path}/share/jupyter."
        ).split()
    )


def test_uninstall_says_where_the_kernel_is(tmp_path: Path) -> None:
    installed = tmp_path / "here" / "share" / "jupyter"
    run("install", "--prefix", str(tmp_path / "here"), "--name", "work")

    done = run("uninstall", "--user", "--name", "work", JUPYTER_PATH=str(installed))

    assert done.returncode == 2
    assert f"There is one in {installed / 'kernels' / 'work'}." in " ".join(done.stderr.split())


def test_bad_name_is_said_with_what_a_good_one_is(tmp_path: Path, capsys: Captured) -> None:
    said = failing(capsys, "install", "--prefix", str(tmp_path), "--name", "my kernel")

    assert said.startswith("tci-kernel: 'my kernel' is no name for a kernel.\nUse ASCII letters")
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    # A file in a directory's place stops everybody; missing rights would not stop root.
    (tmp_path / "share").touch()

    done = run("install", "--prefix", str(tmp_path))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tci-kernel: Can't install 'tci': ")


@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize(
    "places",
    [
        ["--user", "--sys-prefix"],
        ["--user", "--prefix", "P"],
        ["--sys-prefix", "--prefix", "P"],
    ],
)
def test_there_is_one_place(command: str, places: list[str], capsys: Captured) -> None:
    before = [path.stat().st_mtime_ns for path in ENVIRONMENT_KERNELS.glob("*")]

    assert "Give one of --user, --sys-prefix and --prefix." in failing(capsys, command, *places)

    assert [path.stat().st_mtime_ns for path in ENVIRONMENT_KERNELS.glob("*")] == before


# --------------------------------------------------------------------------------------------
# Options of the server


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("--port", "abc", "is not a valid integer range."),
        ("--port", "-1", "is not in the range 0<=x<=65535."),
        ("--port", "65536", "is not in the range 0<=x<=65535."),
        ("--port", "80.5", "is not a valid integer range."),
        ("--port", "", "is not a valid integer range."),
        ("--session-lifetime", "0", "is not in the range x>0."),
        ("--session-lifetime", "-5", "is not in the range x>0."),
        ("--session-lifetime", "nan", "is not a finite number."),
        ("--session-lifetime", "inf", "is not a finite number."),
        ("--session-lifetime", "1h", "is not a valid number of seconds."),
        ("--max-sessions", "0", "is not in the range x>=1."),
        ("--max-sessions", "-1", "is not in the range x>=1."),
        ("--max-sessions", "1.5", "is not a valid integer range."),
        ("--max-sessions", "many", "is not a valid integer range."),
    ],
)
def test_wrong_number_is_refused_with_what_is_right(
    option: str, value: str, advice: str, capsys: Captured
) -> None:
    said = failing(capsys, "serve", f"{option}={value}")

    assert said.splitlines()[-1].startswith(f"Error: Invalid value for '{option}': ")
    assert said.splitlines()[-1].endswith(advice)


def test_server_open_to_the_network_needs_a_token() -> None:
    done = run("serve", "--host", "0.0.0.0", TCI_SERVER_TOKEN="")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tci-kernel: 0.0.0.0 can be reached from other machines")
    assert max(map(len, done.stderr.splitlines())) < 90


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_a_server_whose_sessions_would_start_it_again_does_not_start(name: str) -> None:
    done = run("serve", "--kernel-name", name)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"tci-kernel: The kernel '{name}' is tci-kernel itself")


def test_unknown_kernel_for_the_sessions_is_named_with_those_there_are() -> None:
    done = run("serve", "--kernel-name", "absent")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tci-kernel: There is no kernel 'absent'. There are: ")
    assert "python3" in done.stderr
