"""Consoles that bring a window, or a whole terminal of their own: qtconsole and euporie."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.cache import kept
from tests.support.environments import make_environment
from tests.support.kernels import KernelDriver, kernel
from tests.support.programs import need_libraries
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

# euporie wants older releases of packages that others here want new: both have an environment of
# their own. Qt's essential parts are enough, and these may be used by anybody (LGPL).
CONSOLES = ("euporie==2.10.4", "qtconsole==5.7.2", "PySide6-Essentials==6.8.3")

ENTER = "\r"

# Run by the Python of that environment.
WINDOW = Path(__file__).with_name("qtconsole_window.py")


@pytest.fixture(scope="module")
def environment(downloads: Path) -> Path:
    """The environment that has the consoles."""
    place = downloads / "_".join(CONSOLES)
    return kept(place, lambda directory: make_environment(directory, *CONSOLES))


@pytest.fixture(params=["tci-local", "tci"])
def running(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[KernelDriver]:
    """A kernel for a console to speak to."""
    where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    with kernel(request.param, **where) as driver:
        yield driver


class Console:
    """What is typed into a console, and what it shows then."""

    def __init__(self, terminal: pexpect.spawn[str]) -> None:
        self.terminal = terminal

    def run(self, line: str) -> None:
        """Type a line of code, or an answer, and the key that ends it."""
        self.terminal.send(line + ENTER)

    def expect(self, *words: str) -> None:
        """Wait for words in this order, between which colours and other places may be set."""
        self.terminal.expect(".*?".join(map(re.escape, words)))


class QtConsole(Console):
    """The same in a window: what is typed is a line of JSON, as is the whole that it shows."""

    def run(self, line: str) -> None:
        self.terminal.sendline(json.dumps(line + ENTER))


def euporie(environment: Path, connection_file: str, home: Path) -> Console:
    options = ["--graphics", "none", "--no-autocomplete", "--no-show-status-bar"]
    command = [f"{environment}/bin/euporie-console", "--connection-file", connection_file, *options]
    # No question to the terminal where its cursor is: nothing here would answer.
    return Console(spawned(command, home, TERM="xterm", PROMPT_TOOLKIT_NO_CPR="1"))


def qtconsole(environment: Path, connection_file: str, home: Path) -> Console:
    need_libraries("libEGL.so.1", "libGL.so.1")  # by which Qt draws, also without a screen
    command = [f"{environment}/bin/python", str(WINDOW), connection_file]
    return QtConsole(spawned(command, home, QT_QPA_PLATFORM="offscreen"))


def spawned(command: list[str], home: Path, **environment: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        command[0],
        command[1:],
        env={**os.environ, "HOME": str(home), **environment},
        echo=False,
        dimensions=(40, 100),
        encoding="utf-8",
        timeout=PATIENCE,
    )


@pytest.fixture(params=[euporie, qtconsole])
def console(
    request: pytest.FixtureRequest, environment: Path, running: KernelDriver, tmp_path: Path
) -> Iterator[Console]:
    opened: Console = request.param(environment, running.manager.connection_file, tmp_path)
    opened.expect("In [1")
    yield opened
    opened.terminal.close(force=True)


def test_what_a_cell_prints_is_seen_before_it_asks_and_goes_on(
    console: Console, running: KernelDriver
) -> None:
    asks = "input('Rea' + 'dy?'); print('got', int(input('How ' + 'many? ')) + 1)"
    console.run(f"print('be' + 'gun'); {asks}")
    console.expect("begun", "Ready?")
    # Answered by another client: euporie does not always give its box for answers the keys when it
    # opens it, as its source says, but surely where the box is open already.
    running.client.input("")
    console.expect("How many?")
    console.run("42")
    console.expect("got 43")


def test_a_debugger_is_spoken_to(environment: Path, running: KernelDriver, tmp_path: Path) -> None:
    console = qtconsole(environment, running.manager.connection_file, tmp_path)
    console.expect("In [1]")
    console.run("import pdb; pdb.set_trace(); found = 6 * 7")
    console.expect("db>")
    console.run("p 6 * -7")
    console.expect("-42")
    console.run("c")
    console.expect("In [2]")
    console.run("found")
    console.expect("42", "In [3]")
    console.terminal.close(force=True)
