"""Code on its way through an interpreter, from the request to the reply."""

from __future__ import annotations

import asyncio
from typing import Any

from tci_kernel.core.text import size
from tci_kernel.server.channels import MOST_MESSAGE, Message
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
        reply: gives its reply, however many calls wait for it: of two that read the channel, one
            could lose what it has just taken.

    Attributes:
        collector: its outputs so far; may be replaced.
        exits: whether it has told the interpreter to exit.
        idle: set once it has ended; outlives the cancellation of a call that waits for it.
        received: how many messages there have been.
        later_requests: the ids of requests that were made after its reply.
    """

    def __init__(self, msg_id: str, reply: asyncio.Task[Message]) -> None:
        self.msg_id = msg_id
        self.reply = reply
        self.collector = OutputCollector()
        self.exits = False
        self.idle = asyncio.Event()
        self.received = 0
        self.later_requests: set[str] = set()

    def handle_output(self, message: Message) -> None:
        """Collect what the code produced. What a thread prints after its end is dropped."""
        self.received += 1
        if self.idle.is_set():
            return
        if message.parent_id in self.later_requests:
            self.collector.add_text("stderr", _LOST)
            self.idle.set()
        if message.parent_id != self.msg_id:
            return
        if message.content.get("execution_state") == "idle":
            self.idle.set()
        self.collector.collect(message.type, message.content)

    def handle_reply(self, reply: Message) -> None:
        """Read the reply. It tells of a failure even where its traceback could not be sent.

        The traceback in it is not looked at: after an `await` it may be an earlier call's.
        """
        if reply.content.get("status") == "error" and not self.collector.failed:
            self.collector.collect("error", {**reply.content, "traceback": []})
        payload = reply.content.get("payload")
        self.exits = isinstance(payload, list) and any(map(_is_exit, payload))


def _is_exit(item: Any) -> bool:
    """Whether an item of a payload, as `exit` leaves it, announces the end of the process."""
    return (
        isinstance(item, dict) and item.get("source") == "ask_exit" and not item.get("keepkernel")
    )
