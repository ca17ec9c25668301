"""A kernel with settings: from files and its command line, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faulty import answer, faulty_server
from tests.support.kernels import KernelDriver, kernel

SECRET = "sk-very-secret"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, with all that Jupyter and IPython would put there."""
    (tmp_path / ".jupyter").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "IPYTHONDIR", "JUPYTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def configure(home: Path, text: str) -> Path:
    path = home / ".jupyter" / "tci_kernel_config.py"
    path.write_text(text)
    return path


def test_a_kernel_takes_its_settings_from_the_file_and_its_command_line(home: Path) -> None:
    with faulty_server([answer(("stdout", "hello\n"))]) as service:
        configure(
            home,
            f"c.TCIClient.base_url = {service.base_url!r}\n"
            f"c.TCIClient.api_key = {SECRET!r}\n"
            "c.TCIKernel.session_id = 'ses_file'\n"
            "c.RemoteSession.use_helper = False\n",
        )
        with kernel("tci", "--session=ses_command") as driver:
            cell = driver.run("print('hello')")

        assert (cell.text(), cell.text("stderr")) == ("hello\n", "")
        (request,) = service.executions
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.json()["session_id"] == "ses_command"


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_no_profile_of_ipython_is_made(name: str, home: Path) -> None:
    with kernel(name) as driver:
        cell = driver.run("print(6 * 7)")

    assert cell.reply["status"] == ("ok" if name == "tci-local" else "error")
    # The directory itself is made by any program that looks for kernelspecs.
    assert list((home / ".ipython").glob("*")) == []


MISTAKES = {
    "misspelt setting": ("c.TCIClient.conect_timeout = 5", "'TCIClient.connect_timeout'?"),
    "misspelt class": ("c.TCIClinet.connect_timeout = 5", "'TCIClient.connect_timeout'?"),
    "bad value": ("c.TCIClient.connect_timeout = 'five'", "a number of seconds above 0"),
    "bad level": ("c.TCIKernelApp.log_level = 'loud'", "log_level"),
    "no Python": ("c.TCIClient.connect_timeout = = 5", "can't be read: invalid syntax (line 1)"),
    "no file": ("import absent", "can't be read: ModuleNotFoundError (line 1)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_is_shown_with_the_first_cell(mistake: str, home: Path) -> None:
    text, said = MISTAKES[mistake]
    path = configure(home, text)

    with kernel("tci-local") as driver:
        shown_once(driver, str(path), said)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--TCIClient.conect_timeout=5", "'TCIClient.connect_timeout'?"),
        ("--TCIClient.connect_timeout=five", "a number of seconds above 0"),
        ("--lcoal", "Did you mean '--local'?"),
        ("--session", "--session needs a value."),
    ],
)
def test_a_mistake_in_the_kernelspec_is_shown_with_the_first_cell(
    argument: str, said: str, home: Path
) -> None:
    with kernel("tci-local", argument) as driver:
        shown_once(driver, "command line: ", said)


def shown_once(driver: KernelDriver, source: str, said: str) -> None:
    assert driver.run("pass", store_history=False).outputs == []
    first = driver.run("print('ran')")
    assert first.reply["status"] == "ok"
    assert first.text() == "ran\n"
    notes = " ".join(first.text("stderr").split())  # wrapped
    assert source in notes
    assert said in notes
    assert driver.run("print('ran')").text("stderr") == ""


@pytest.mark.parametrize(
    "text",
    [
        "raise SystemExit(3)",
        "raise KeyboardInterrupt",
        "class Odd(BaseException): pass\nraise Odd()",
        "import sys; sys.stdout.close(); sys.stderr.close()",
        "import sys; sys.stdout = sys.stderr = None",
        "import os; os.close(1); os.close(2)",
        "def endless(): endless()\nendless()",
    ],
)
def test_a_file_that_fails_in_any_way_keeps_no_kernel_from_starting(home: Path, text: str) -> None:
    path = configure(home, text)
    with kernel("tci-local") as driver:
        first = driver.run("print(6 * 7)")
    assert first.text() == "42\n"
    is_told = f"{path} can't be read" in first.text("stderr").replace("\n", " ")
    assert is_told is ("close" not in text and "None" not in text)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONWARNINGS": "error"},
        {"SSL_CERT_FILE": "/there/is/none", "SSLKEYLOGFILE": "/there/is/none"},
    ],
    ids=str,
)
def test_what_does_not_concern_it_keeps_no_kernel_from_starting(
    home: Path, environment: dict[str, str]
) -> None:
    with kernel("tci-local", HOME=str(home), **environment) as driver:
        assert driver.run("print(6 * 7)").text() == "42\n"
