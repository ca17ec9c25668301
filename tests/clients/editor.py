"""VS Code's way to a kernel: the extension's own packages, in the Node program in `vscode/`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import get_kernel_spec

from tests.support.programs import missing, needed
from tests.support.vscode import MIME, background

PROGRAM = Path(__file__).parent / "vscode"


@dataclass(frozen=True)
class Cell:
    """What a cell led to."""

    reply: dict[str, Any]
    published: list[tuple[str, dict[str, Any]]]

    @property
    def outputs(self) -> list[tuple[str, dict[str, Any]]]:
        return [(kind, content) for kind, content in self.published if kind != "status"][1:]

    @property
    def count(self) -> int:
        number: int = dict(self.published)["execute_input"]["execution_count"]
        return number

    def text(self) -> str:
        return "".join(content["text"] for kind, content in self.outputs if kind == "stream")


@dataclass
class Editor:
    """The Node program: takes commands, and answers each when it is done."""

    process: subprocess.Popen[str]
    _numbers: Iterator[int] = field(default_factory=count)
    _answers: dict[int, dict[str, Any]] = field(default_factory=dict)

    def begin(self, command: str, **options: Any) -> int:
        """Have a command carried out, without waiting for it."""
        number = next(self._numbers)
        assert self.process.stdin is not None
        print(json.dumps({"id": number, "command": command, **options}), file=self.process.stdin)
        self.process.stdin.flush()
        return number

    def end(self, number: int) -> Any:
        """Wait for a command, and give its result."""
        assert self.process.stdout is not None
        while number not in self._answers:
            line = self.process.stdout.readline()
            assert line, "The Node program has ended"
            answer = json.loads(line)
            self._answers[answer["id"]] = answer
        answer = self._answers.pop(number)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def do(self, command: str, **options: Any) -> Any:
        return self.end(self.begin(command, **options))

    def run(self, code: str) -> Cell:
        """Run a cell of the user's."""
        return Cell(**self.do("execute", code=code))

    def hidden(self, code: str) -> Cell:
        """Run code that the user does not see."""
        return Cell(**self.do("execute", code=code, hidden=True))

    def in_background(self, number: int, code: str) -> Any:
        """Run code in the extension's way for threads; gives what its result is."""
        mime = MIME.format(number)
        result = f"{mime}.result"
        answer = self.do("background", code=background(mime, code), mime=result)
        (place,) = (content for kind, content in answer["published"] if kind == "display_data")
        assert answer["told"]["transient"] == place["transient"]
        return answer["told"]["data"][result]


@contextmanager
def editing(kernel: str, **environment: str) -> Iterator[Editor]:
    """Open VS Code's wire stack on a kernel that is not started yet."""
    node = needed("node")
    if not (PROGRAM / "node_modules").is_dir():
        missing("what the extension is made of")
    process = subprocess.Popen(
        [node, "client.js", get_kernel_spec(kernel).resource_dir, sys.executable],
        cwd=PROGRAM,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Editor(process)
        finally:
            process.kill()
