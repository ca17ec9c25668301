"""Code on its way through an interpreter, from the request to the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tci_kernel.core.text import size
from tci_kernel.remote.frames import Frames
from tci_kernel.server.channels import MOST_MESSAGE, UNREADABLE
from tci_kernel.server.collector import OutputCollector

# What is said where a connection was lost with what it had to bring; see `channels.MOST_MESSAGE`.
_LOST = (
    f"Output was lost: one piece of it had more than {size(MOST_MESSAGE)}. Print in smaller ones, "
    "or with flush=True.\n"
)


class Execution:
    """Code that runs.

    Args:
        msg_id: the id of the request.

    Attributes:
        collector: its outputs so far; may be replaced.
        exits: whether it has told the interpreter to exit.
        begun: set once it has begun; what others run may come first.
        idle: set once it has ended; outlives the cancellation of a call that waits for it.
        replied: set once its reply has come.
        received: how many messages there have been.
        values: those of its `user_expressions`, by the reply.
        later_requests: the ids of requests that were made after its reply.
    """

    def __init__(self, msg_id: str) -> None:
        self.msg_id = msg_id
        self.collector = OutputCollector()
        self.exits = False
        self.begun = asyncio.Event()
        self.idle = asyncio.Event()
        self.replied = asyncio.Event()
        self.received = 0
        self.later_requests: set[str] = set()
        self.values: Mapping[str, Any] = {}
        self._failure: Mapping[str, Any] | None = None  # by the reply

    def take(self, channel: str, message: Frames | None) -> None:
        """Take any message of the interpreter; None is one that can't be read."""
        try:
            if message is None:
                raise ValueError("it is not signed, or no message")
            if channel == "iopub":
                self._take_output(message)
            elif channel == "shell" and message.parent_id == self.msg_id:
                self.replied.set()
                self._take_reply(message.content())
        except UNREADABLE as error:
            if channel == "iopub" and not self.idle.is_set():
                self.collector.add_text("stderr", f"An output can't be read: {error!r}\n")

    def _take_output(self, message: Frames) -> None:
        """Collect what the code produced. What a thread prints after its end is dropped."""
        self.received += 1
        if self.idle.is_set():
            return
        if message.parent_id in self.later_requests:
            self.collector.add_text("stderr", _LOST)
            self.idle.set()
        if message.parent_id != self.msg_id:
            return
        if message.type == "status":
            state = message.content().get("execution_state")
            (self.idle if state == "idle" else self.begun).set()
        elif not self.collector.keeps_nothing:
            self.collector.collect(message.type, message.content())

    def _take_reply(self, content: Mapping[str, Any]) -> None:
        """Read the reply. It tells of a failure even where its traceback could not be sent.

        The traceback in it is not looked at: after an `await` it may be an earlier call's.
        """
        payload = content.get("payload")
        self.exits = isinstance(payload, list) and any(map(_is_exit, payload))
        self.values = content.get("user_expressions") or {}
        self._failure = content if content.get("status") == "error" else None

    def conclude(self) -> None:
        """Take from the reply what no output has told."""
        if self._failure is not None and not self.collector.failed:
            self.collector.collect("error", {**self._failure, "traceback": []})


def _is_exit(item: Any) -> bool:
    """Whether an item of a payload, as `exit` leaves it, announces the end of the process."""
    return (
        isinstance(item, dict) and item.get("source") == "ask_exit" and not item.get("keepkernel")
    )
