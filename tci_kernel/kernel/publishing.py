"""How a cell's messages are published, and by whom its user is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tci_kernel.core.messages import Message
from tci_kernel.kernel.frontend import CellFrontend
from tci_kernel.kernel.interrupts import Interruptible
from tci_kernel.kernel.pacing import IOPubPacer, parts, stream_bytes

# The messages of a cell that its reply and the history are made from.
KEPT = ("execute_reply", "execute_result")


class Publishing(Interruptible):
    """The base of the kernel that publishes, no faster than what is in front of it takes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Jupyter Server names the notebook in this variable; other hosts have no rate limits.
        self._pacer = IOPubPacer() if os.environ.get("JPY_SESSION_NAME") else None

    async def emit(self, message: Message) -> None:
        """Publish a message on IOPub, as its own cell's or the running one's."""
        parent = self.get_parent("shell")
        for part in parts(message):
            if self._pacer is not None:
                await self._pacer.wait(stream_bytes(part))
            self._send(part, parent)

    def _send(self, message: Message, parent: Mapping[str, Any]) -> None:
        if self.session is not None:
            self.session.send(
                self.iopub_socket,
                message.type,
                dict(message.content),
                dict(parent) if message.parent is None else {"header": dict(message.parent)},
                metadata=dict(message.metadata),
                buffers=list(message.buffers),
            )

    def frontend(
        self, published: list[Message], *, takes_questions: bool, silent: bool
    ) -> CellFrontend | None:
        """Who sent the running cell. What it shows at once, threads and blocking code can call."""
        if self.session is None:
            return None
        parent = self.get_parent("shell")

        def show(message: Message) -> None:
            if message.type in KEPT:
                published.append(message)
            if not is_unwanted(message, silent=silent):
                for part in parts(message):
                    if self._pacer is not None:
                        self._pacer.block(stream_bytes(part))
                    self._send(part, parent)

        return CellFrontend(
            takes_questions,
            show,
            self.iopub_thread.schedule,
            self.session,
            self.stdin_socket,
            parent,
            self._shell_parent_ident.get(),
        )


def is_unwanted(message: Message, *, silent: bool) -> bool:
    """Whether a message is a silent cell's value, which ipykernel does not show either."""
    return silent and message.type == "execute_result"
