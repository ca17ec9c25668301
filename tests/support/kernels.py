"""A real kernel process behind real ZeroMQ sockets, and what it said, message by message."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.support.waiting import PATIENCE, received, until

Message = dict[str, Any]


@dataclass
class Answer:
    """All that a request led to: its reply, and what was published on its behalf."""

    reply: dict[str, Any]
    published: list[Message]
    metadata: dict[str, Any]

    @property
    def outputs(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and content of each output, in order."""
        kept = {"stream", "display_data", "execute_result", "error", "clear_output"}
        kept.add("update_display_data")
        return [(m["msg_type"], m["content"]) for m in self.published if m["msg_type"] in kept]

    def text(self, name: str = "stdout") -> str:
        """What was printed to one stream."""
        return "".join(
            content["text"]
            for kind, content in self.outputs
            if kind == "stream" and content["name"] == name
        )

    def only(self, kind: str) -> dict[str, Any]:
        """The content of the one output of a kind."""
        (content,) = [content for name, content in self.outputs if name == kind]
        return content

    @property
    def count(self) -> int:
        """The number that the cell was given, as published with its code."""
        (message,) = [m for m in self.published if m["msg_type"] == "execute_input"]
        number: int = message["content"]["execution_count"]
        return number


def shown(answer: Answer) -> str:
    """The text of the one display of an answer, which has an HTML form too."""
    assert answer.reply["status"] == "ok", answer.reply
    data = answer.only("display_data")["data"]
    assert data["text/html"].startswith(("<table>", "<p>"))
    text: str = data["text/plain"]
    return text


class KernelDriver:
    """Speaks to a kernel as a notebook would, and checks every message against the schema."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, **options: Any) -> Answer:
        """Execute code and wait for everything that it leads to.

        Headless unless `allow_stdin=True` says otherwise. Errors don't stop what follows: the base
        class also aborts a request that comes within moments of a failed cell's reply.
        """
        return self.finish(self.client.execute(code, **{"stop_on_error": False, **options}))

    def finish(self, msg_id: str, channel: str = "shell") -> Answer:
        """Wait for a request's reply and for its idle status."""
        published = []
        for message in self._published(msg_id, "end of the request"):
            check(message)
            published.append(message)
            if message["content"].get("execution_state") == "idle":
                break
        reply = self.reply(msg_id, channel)
        return Answer(reply["content"], published, reply["metadata"])

    def reply(self, msg_id: str, channel: str = "shell") -> Message:
        """Wait for a request's reply."""
        get = self.client.get_shell_msg if channel == "shell" else self.client.get_control_msg
        message = next(_answering(msg_id, received(get, f"reply on the {channel} channel")))
        check(message)
        return message

    def until_published(self, msg_id: str, wanted: Callable[[Message], bool], what: str) -> Message:
        """Wait until a request that goes on running publishes something, and give that."""
        return next(filter(wanted, self._published(msg_id, what)))

    def until_printed(self, msg_id: str, text: str) -> str:
        """Wait until a request has printed a text on stdout; gives all of that from now on.

        A line and its end may come in two messages.
        """
        printed = ""
        for message in self._published(msg_id, f"{text!r} on stdout"):
            if message["content"].get("name") == "stdout":
                printed += message["content"]["text"]
            if text in printed:
                break
        return printed

    def _published(self, msg_id: str, what: str) -> Iterator[Message]:
        return _answering(msg_id, received(self.client.get_iopub_msg, what))

    def complete(self, code: str) -> dict[str, Any]:
        """What is completed at the end of code."""
        return self._answered(lambda: self.client.complete(code), "matches")

    def inspect(self, code: str, detail: int = 0) -> dict[str, Any]:
        """What is said of the name at the end of code."""
        return self._answered(lambda: self.client.inspect(code, detail_level=detail), "data")

    def _answered(self, ask: Callable[[], str], field: str) -> dict[str, Any]:
        """The answer to who types on: one that must come in time may be an empty one."""

        def answer() -> dict[str, Any] | None:
            content: dict[str, Any] = self.reply(ask())["content"]
            return content if content[field] else None

        return until(answer, f"{field} in an answer")

    def control(self, kind: str, content: dict[str, Any]) -> Message:
        """Send a request on the control channel and wait for its reply."""
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        return self.reply(message["header"]["msg_id"], "control")

    @property
    def pid(self) -> int:
        """The kernel's process."""
        pid = self.manager.provisioner.pid  # type: ignore[union-attr]
        assert isinstance(pid, int)
        return pid

    def interrupt(self) -> float:
        """Interrupt over the control channel; gives the seconds until the reply."""
        start = time.monotonic()
        self.control("interrupt_request", {})
        return time.monotonic() - start


def _answering(msg_id: str, messages: Iterator[Message]) -> Iterator[Message]:
    """Those of the messages that a request led to."""
    return (one for one in messages if one["parent_header"].get("msg_id") == msg_id)


@cache
def _schema() -> Any:
    """Jupyter's test suite for messages, loaded for the first of them: that takes a second."""
    return import_module("jupyter_kernel_test.msgspec_v5")


def check(message: Message) -> None:
    """Check a message against the schema of the protocol, for the types that the suite has."""
    kind = message["msg_type"]
    if kind not in _schema().schema_fragments:
        _schema().msg_structure_validator.validate(message)
    elif message["content"].get("status") == "aborted":
        # The protocol's word; the suite's schema knows "abort", which no kernel sends.
        assert message["content"] == {"status": "aborted"}
    else:
        _schema().validate_message(message, kind)


# For services that play a script: the kernel then sends the users' cells and nothing else.
BARE = "--RemoteSession.use_helper=False"

# For what concerns cells that are requests, with the helper.
DIRECT = "--TCIKernel.execution=direct"


@contextmanager
def kernel(
    name: str = "tci", *arguments: str, cwd: str = "", **environment: str
) -> Iterator[KernelDriver]:
    """Start a kernel process from its kernelspec, and shut it down afterwards.

    Args:
        name: the kernelspec.
        arguments: added to its command line.
        cwd: where it is started, as in the directory of a notebook; an empty one by default.
        environment: added to this process's environment.
    """
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as sockets:
        # Files instead of ports, which a kernel that starts beside this one could take.
        manager = KernelManager(kernel_name=name, transport="ipc", ip=f"{sockets}/socket")
        manager.start_kernel(
            # Cells of `tci-local` work where it is started.
            cwd=cwd or directory,
            extra_arguments=list(arguments),
            env={**os.environ, "TOGETHER_API_KEY": "", **environment},
        )
        client: BlockingKernelClient = manager.client()
        client.start_channels()
        client.allow_stdin = False
        try:
            client.wait_for_ready(timeout=PATIENCE)
            yield KernelDriver(manager, client)
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
            manager.cleanup_resources()
