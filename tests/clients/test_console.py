"""`jupyter console`, typed into as at a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.servers import ServerProcess
from tests.support.waiting import until

# Whether code is complete. Else it asks the kernel before each cell, and where the end of that
# question arrives late takes it for the cell's: it shows and asks nothing then, on any kernel.
JUDGES_ITSELF = "--ZMQTerminalInteractiveShell.use_kernel_is_complete=False"

ENTER, TAB, UP, CONTROL_C, CONTROL_D = "\r", "\t", "\x1b[A", "\x03", "\x04"


class Console:
    """A console, and what it writes."""

    def __init__(self, kernel: str, home: Path) -> None:
        self.terminal = pexpect.spawn(
            sys.executable,
            ["-m", "jupyter", "console", "--kernel", kernel, JUDGES_ITSELF],
            # No question to the terminal where its cursor is: nothing here would answer.
            env={**os.environ, "HOME": str(home), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            dimensions=(40, 100),
            encoding="utf-8",
            timeout=60,
        )

    def type(self, keys: str) -> None:
        self.terminal.send(keys)

    def run(self, keys: str) -> None:
        """Type code, or the rest of it, and an empty line, behind which the console runs it."""
        self.type(keys + 3 * ENTER)

    def expect(self, *words: str) -> None:
        """Wait for words in this order, between which colours may be set."""
        self.terminal.expect(".*?".join(map(re.escape, words)))

    def completes(self, rest: str) -> Callable[[], bool]:
        """Presses the key for it, and says whether the rest of a word comes.

        On a busy machine an answer in time may be an empty one.
        """

        def press() -> bool:
            self.type(TAB)
            return self.terminal.expect([re.escape(rest), pexpect.TIMEOUT], timeout=3) == 0

        return press

    def expect_prompt(self, number: int) -> None:
        self.expect("In [", f"m{number}\x1b")


@pytest.fixture(params=["tci-local", "tci"])
def console(
    request: pytest.FixtureRequest,
    server: ServerProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Console]:
    monkeypatch.setenv("TOGETHER_BASE_URL", server.base_url)
    monkeypatch.setenv("TOGETHER_API_KEY", server.token)
    opened = Console(request.param, tmp_path)
    opened.expect_prompt(1)
    yield opened
    opened.terminal.close(force=True)


def test_cells_completion_and_history(console: Console) -> None:
    console.run("remote_name = 6 * 7")
    console.expect_prompt(2)
    console.type("remo")
    until(console.completes("te_name"), "the rest of a name")
    console.run(" + 1")
    console.expect("43")
    console.expect_prompt(3)
    console.run(UP)
    console.expect("43")
    console.expect_prompt(4)
    console.run("1/0")
    console.expect("ZeroDivisionError", "In[4]", "division by zero")
    console.expect_prompt(5)


def test_input_is_asked_for(console: Console) -> None:
    console.run("answer = input('How ' + 'many? ')")
    console.expect("How many?")
    console.type("42" + ENTER)
    console.expect_prompt(2)
    console.run("int(answer) + 1")
    console.expect("43")
    console.expect_prompt(3)


def test_control_c_ends_a_cell_and_control_d_the_console(console: Console) -> None:
    console.run("x = 41; print('be' + 'gun'); import time; time.sleep(60)")
    console.expect("begun")
    console.type(CONTROL_C)
    console.expect("KeyboardInterrupt")
    console.expect_prompt(2)
    console.run("x + 1")
    console.expect("42")
    console.expect_prompt(3)
    console.type(CONTROL_D)
    console.expect("really want to exit")
    console.run("y")
    console.terminal.expect(pexpect.EOF)
    assert console.terminal.wait() == 0
