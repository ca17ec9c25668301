"""The relay in a plain Python process, as a service might run it, and clients of it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tci_kernel.client.schema import Output
from tci_kernel.remote import loader
from tci_kernel.remote.companion import MODULE as COMPANION
from tci_kernel.remote.relay import MODULE
from tci_kernel.session.live.exchange import (
    Answer,
    Assembly,
    Incoming,
    printed,
    read,
    request_text,
)
from tests.support.waiting import PATIENCE

# Reads code as JSON, a line each, runs it, and answers with what it printed or how it failed.
_INTERPRETER = """
import contextlib, io, json, sys
names = {"__name__": "__main__"}
for line in sys.stdin:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(json.loads(line), names)
    except Exception as exception:
        printed.write(f"{type(exception).__name__}: {exception}")
    print(json.dumps(printed.getvalue()), file=sys.__stdout__, flush=True)
"""


def launch(companion: str | None = None) -> str:
    """The code that starts the relay, and what its interpreter runs first."""
    first = loader.launch("companion", COMPANION) if companion is None else companion
    return loader.launch("relay", MODULE, COMPANION=first)


def call(text: str) -> str:
    """The code that makes an exchange."""
    return f"__import__('sys').modules[{MODULE!r}].exchange({text!r})"


class RelayProcess:
    """A plain Python that runs what it is given, and that the relay was sent to.

    Attributes:
        hello: what the relay has said first.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.hello: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, code: str) -> None:
        """Have code run."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()

    def end(self, seconds: float = PATIENCE) -> str:
        """What the code has printed, once it has ended."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise TimeoutError(f"Not in {seconds:g} s: the end of the code")
        line = self._process.stdout.readline()
        assert line, f"it has ended: {self._process.wait(PATIENCE)}"
        return str(json.loads(line))

    def run(self, code: str) -> str:
        """What code prints."""
        self.begin(code)
        return self.end()

    def said(self, text: str) -> Any:
        """What the relay answers to a request, given as JSON."""
        return json.loads(printed([Output("stdout", self.run(call(text)))]) or "null")

    def kill(self) -> None:
        """End it as nothing can prevent."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE)

    def close(self) -> None:
        """Let it end by itself, and its relay with it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process.stdout.close()

    def hang_up(self) -> None:
        """What some services do when a caller is gone."""
        self._process.send_signal(signal.SIGINT)

    def client(self) -> Client:
        """Another client of its relay."""
        return Client(self)


class Client:
    """A client of a relay, as `docs/exchange.md` has it.

    Attributes:
        received: the number of the last message that has come.
        answer: the last one.
        heard: all messages that have come, but for those of requests that were waited for.
    """

    def __init__(self, process: RelayProcess) -> None:
        self.name = uuid.uuid4().hex
        self._process = process
        self._outgoing: list[tuple[int, str]] = []
        self._sent = 0
        self._assembly = Assembly()
        self.received = 0
        self.answer: Answer | None = None
        self.heard: list[Incoming] = []

    def send(self, channel: str, message: Mapping[str, Any] | None = None) -> None:
        """Have a message sent with the next exchange."""
        self._sent += 1
        self._outgoing.append((self._sent, json.dumps({"channel": channel, **(message or {})})))

    def request(self, kind: str, channel: str = "shell", **content: Any) -> str:
        """Have a request sent with the next exchange; gives its id."""
        msg_id = uuid.uuid4().hex
        header = {"msg_id": msg_id, "msg_type": kind, "session": self.name, "username": ""}
        header["version"] = "5.3"
        self.send(channel, {"header": header, "metadata": {}, "content": content})
        return msg_id

    def execute(self, code: str, **content: Any) -> str:
        """Have a cell sent with the next exchange; gives the id of its request."""
        options = {"silent": False, "store_history": True, "allow_stdin": True, **content}
        return self.request("execute_request", code=code, **options)

    def text(self, **fields: Any) -> str:
        """The next exchange's request."""
        first = self._outgoing[0][0] if self._outgoing else self._sent + 1
        usual = {
            "client": self.name,
            "acknowledged": self.received,
            "first": first,
            "wait": 0,
            "gather": 0,
            "limit": 4_000_000,
            "describe": False,
        }
        return request_text({**usual, **fields}, [text for _, text in self._outgoing])

    def take(self, text: str) -> Answer:
        """Take note of an answer, given as what was printed."""
        answer = read(printed([Output("stdout", text)]) or text)
        self._outgoing = [one for one in self._outgoing if one[0] > answer.taken]
        new = answer.texts[self.received + 1 - answer.first :]
        self.received += len(new)
        self.heard += self._assembly.incoming(new)
        self.answer = answer
        return answer

    def exchange(self, **fields: Any) -> Answer:
        """Make an exchange."""
        return self.take(self._process.run(call(self.text(**fields))))

    def lose(self, **fields: Any) -> None:
        """Make an exchange whose answer does not arrive."""
        self._process.run(call(self.text(**fields)))

    def until(self, condition: Callable[[Client], Any], what: str, **fields: Any) -> list[Incoming]:
        """Make exchanges until a condition is true; gives all that was heard, and forgets it."""
        limit = time.monotonic() + PATIENCE
        while not condition(self):
            if time.monotonic() > limit:
                last = [(one.message.type, one.message.content) for one in self.heard[-10:]]
                raise TimeoutError(f"Not in {PATIENCE:g} s: {what}; {self.answer}; {last}")
            self.exchange(**{"wait": 1, **fields})
        heard, self.heard = self.heard, []
        return heard

    def has_reply(self, msg_id: str) -> bool:
        """Whether the reply to a request has come."""
        return any(one.channel != "iopub" and one.parent_id == msg_id for one in self.heard)

    def replied(self, msg_id: str, **fields: Any) -> list[Incoming]:
        """All that comes up to the reply to a request."""
        return self.until(lambda _: self.has_reply(msg_id), "a reply", **fields)

    def run(self, code: str, **content: Any) -> list[Incoming]:
        """Run a cell; gives all that comes up to its reply."""
        return self.replied(self.execute(code, **content))

    def value(self, code: str) -> str:
        """What a cell prints that succeeds."""
        heard = self.run(code)
        assert heard[-1].message.content["status"] == "ok", heard[-1].message.content
        return said(heard)

    def child(self) -> int:
        """The process of the interpreter, once that is ready."""
        self.until(lambda _: self.answer and self.answer.interpreter.state == "ready", "ready")
        assert self.answer is not None
        return self.answer.interpreter.pid


def said(heard: list[Incoming], name: str = "stdout") -> str:
    """What was printed on a stream."""
    contents = [one.message.content for one in heard if one.message.type == "stream"]
    return "".join(content["text"] for content in contents if content["name"] == name)


def kinds(heard: list[Incoming]) -> list[str]:
    """The types of messages."""
    return [one.message.type for one in heard]


@contextmanager
def relay_process(
    directory: Path, code: str | None = None, *, python: str = sys.executable, **environment: str
) -> Iterator[RelayProcess]:
    """Start a plain Python in a directory, and send the relay to it.

    Args:
        directory: where it works.
        code: what is run; the relay's usual start by default.
        python: which one.
        environment: what is set beside what is set here.
    """
    process = subprocess.Popen(
        [python, "-c", _INTERPRETER],
        cwd=directory,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    made = RelayProcess(process)
    try:
        text = made.run(launch() if code is None else code)
        made.hello = json.loads(printed([Output("stdout", text)]) or "{}")
        yield made
    finally:
        made.close()
