"""`%%tci` in IPython at a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.waiting import until

CONTROL_C = "\x03"

_PLAIN = ("--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor")


class Terminal:
    """IPython at a terminal, and what it writes."""

    def __init__(self, home: Path) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", *_PLAIN],
            env={**os.environ, "HOME": str(home), "TERM": "dumb", "TOGETHER_API_KEY": ""},
            cwd=str(home),
            dimensions=(40, 120),
            encoding="utf-8",
            timeout=60,
            echo=False,
        )
        self.expect("In [1]: ")

    def run(self, *lines: str) -> None:
        """Type a cell; two empty lines end one of several lines."""
        for line in [*lines, "", ""] if len(lines) > 1 else lines:
            self.child.sendline(line)

    def expect(self, words: str) -> str:
        """Wait for words; gives what stood before them, without its colours."""
        self.child.expect(re.escape(words))
        return re.sub(r"\x1b\[[0-9;]*m", "", str(self.child.before))


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    opened = Terminal(tmp_path_factory.mktemp("home"))
    opened.run("%load_ext tci_kernel")
    opened.expect("In [2]: ")
    yield opened
    opened.child.close(force=True)


def test_cells_in_a_terminal(terminal: Terminal, tmp_path: Path) -> None:
    go = tmp_path / "go"
    waiting = f"while not os.path.exists({str(go)!r}): time.sleep(0.02)"
    terminal.run("%%tci --local", "import os, time; print('be' + 'gun')", waiting, "6 * 7")
    terminal.expect("begun")
    go.touch()
    assert terminal.expect("In [3]: ").split()[-1] == "42"
    terminal.run("%%tci", "answer = input('How ' + 'many? ')", "raise ValueError(answer)")
    terminal.expect("How many? ")
    terminal.child.sendline("12 eggs")
    shown = terminal.expect("In [4]: ")
    assert "ValueError: 12 eggs" in shown
    assert "run_cell_magic" not in shown
    terminal.run("%%tci --pull pid", "pid = os.getpid(); print('be' + 'gun'); time.sleep(1000)")
    terminal.expect("begun")
    terminal.child.send(CONTROL_C)
    assert "KeyboardInterrupt" in terminal.expect("In [5]: ")
    terminal.run("%%tci --pull pid", "pid = os.getpid()")
    assert "Pulled pid (" in terminal.expect("In [6]: ")
    terminal.run("print('pid', pid)")
    found = re.search(r"pid (\d+)", terminal.expect("In [7]: "))
    assert found
    terminal.run("exit")
    terminal.child.expect(pexpect.EOF)
    assert terminal.child.wait() == 0
    until(lambda: not Path(f"/proc/{found[1]}").exists(), "end of the interpreter")
