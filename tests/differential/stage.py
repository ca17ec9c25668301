"""A kernel on which a scene is played: cells that stop at gates, and what had come by then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.differential.normalise import Entry, Normaliser
from tests.support.kernels import KernelDriver, Message
from tests.support.waiting import PATIENCE, received

# What cells of a scene may call: a gate is open once its file is there.
SETUP = """
import asyncio, os, threading, time
def gate(name):
    while not os.path.exists(os.path.join({directory!r}, name)): time.sleep(0.005)
async def agate(name):
    while not os.path.exists(os.path.join({directory!r}, name)): await asyncio.sleep(0.005)
"""


class Stage:
    """Plays a scene on one kernel, and writes down what a client sees of it.

    Attributes:
        record: for each step that waited for something, what had come by then: for each message
            the request that it belongs to, its type, content, metadata and buffers.
    """

    def __init__(self, driver: KernelDriver, directory: Path) -> None:
        self._driver = driver
        self._directory = directory
        self._normaliser = Normaliser()
        self._names: dict[str, str] = {}
        self._seen: list[Entry] = []
        self.record: list[list[Entry]] = []
        directory.mkdir()
        driver.run(SETUP.format(directory=str(directory)))

    # -- what a scene does -------------------------------------------------------------------

    def begin(self, code: str, **options: Any) -> str:
        """Send a cell; gives its id."""
        request = self._driver.client.execute(code, **{"stop_on_error": False, **options})
        return self._named(request)

    def say(self, kind: str, content: dict[str, Any], buffers: tuple[bytes, ...] = ()) -> str:
        """Send a comm's message; gives its id."""
        message = self._driver.client.session.msg(kind, content)
        self._driver.client.session.send(
            self._driver.client.shell_channel.socket, message, buffers=list(buffers)
        )
        return self._named(message["header"]["msg_id"])

    def open(self, name: str) -> None:
        """Open a gate."""
        (self._directory / name).touch()

    def interrupt(self) -> None:
        """Interrupt what runs."""
        self._driver.interrupt()

    def type(self, text: str) -> None:
        """Answer what the running cell asks."""
        asked = self._driver.client.get_stdin_msg(timeout=PATIENCE)
        self._seen.append(self._entry(asked))
        self._driver.client.input(text)

    def until(self, text: str) -> None:
        """Wait until a line has been printed, or a text is shown by another kind of message."""

        def is_last(message: Message) -> bool:
            if message["msg_type"] == "stream":
                printed = [content["text"] for kind, content in self._seen if kind == "stream"]
                return f"{text}\n" in "".join(printed)  # print writes the line's end by itself
            return message["msg_type"] != "execute_input" and text in str(message["content"])

        self._wait(is_last, f"message with {text!r}")

    def end(self, request: str) -> None:
        """Wait for the end of a request: it is idle, and a cell has its reply as well."""

        def is_last(message: Message) -> bool:
            is_its = message["parent_header"].get("msg_id") == request
            return bool(is_its and message["content"].get("execution_state") == "idle")

        self._wait(is_last, "end of the request")

    def reply(self, request: str) -> None:
        """Wait for the reply of a cell that has ended."""
        self._seen.append(self._entry(self._driver.reply(request)))

    # -- what is written down ----------------------------------------------------------------

    def _named(self, request: str) -> str:
        name = self._names[request] = f"request {len(self._names) + 1}"
        self._normaliser.name(request, name)  # a widget that captures output has it as a value
        return request

    def _wait(self, is_last: Callable[[Message], bool], what: str) -> None:
        for message in received(self._driver.client.get_iopub_msg, what):
            self._seen.append(self._entry(message))
            if is_last(message):
                break
        self.record.append(self._merged(self._seen))
        self._seen = []

    def _entry(self, message: Message) -> Entry:
        parent = message["parent_header"].get("msg_id", "")
        details = {
            "parent": self._names.get(parent, "none of the scene's"),
            "metadata": {} if message["msg_type"] == "execute_reply" else message["metadata"],
            "buffers": [bytes(buffer).hex() for buffer in message["buffers"]],
        }
        return message["msg_type"], {**message["content"], "·": details}

    def _merged(self, entries: list[Entry]) -> list[Entry]:
        return self._normaliser.cleaned(entries)
