"""How requests are handled: which wait for the running cell, and that each is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from inspect import isawaitable
from typing import Any

from ipykernel.kernelbase import Kernel

from tci_kernel.core.messages import error_of
from tci_kernel.kernel.vscode import background_call

# Requests that need not wait for the running cell. `kernel_info_request` does: VS Code, reattached
# to a kernel, takes its reply for the end of the running cell.
QUICK = frozenset(
    {
        "comm_info_request",
        "complete_request",
        "history_request",
        "inspect_request",
        "is_complete_request",
    }
)

# What clients say over comms. It waits for nothing here: whether it waits for the running cell is
# for the interpreter to say, which gets everything in the order in which it came.
COMMS = frozenset({"comm_open", "comm_msg", "comm_close"})

# What ipykernel's application hands to a kernel that runs code itself.
_UNUSED = ("debugpy_stream", "user_ns")

# Whether a request is handled beside others of its channel.
_is_beside: ContextVar[bool] = ContextVar("is_beside", default=False)

# Takes a channel, who has sent a request on it, and the request.
_Handler = Callable[[Any, Any, Any], Any]


class Requests(Kernel):
    """The base of the kernel that handles what comes on its channels.

    Attributes:
        loop: the event loop of the main thread, which runs cells.
        running: the task of the running cell; the kernel's to set.
        running_parent: the request of that cell.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self, **kwargs: Any) -> None:
        for name in _UNUSED:
            kwargs.pop(name, None)  # the base class would warn of them
        super().__init__(**kwargs)
        self.running: asyncio.Task[None] | None = None
        self.running_parent: dict[str, Any] = {}
        for handlers in (self.shell_handlers, self.control_handlers):
            handlers.update({kind: self._answering(kind, handlers[kind]) for kind in handlers})

    async def shell_main(self, subshell_id: str | None, msg: Any) -> None:
        """Handle a shell message; where it need not wait for what runs, beside that."""
        is_waiting = subshell_id is None and self._main_asyncio_lock.locked()
        if not self._goes_beside(msg, is_waiting=is_waiting):
            await super().shell_main(subshell_id, msg)
            return
        context = copy_context()  # all others of its channel share one
        context.run(_is_beside.set, True)
        try:
            await asyncio.create_task(
                self.dispatch_shell(msg, subshell_id=subshell_id), context=context
            )
        finally:
            self.publish_busy()

    def _answering(self, kind: str, handler: _Handler) -> _Handler:
        """A handler that answers each request, also one that can't be read, or can't be answered.

        The base class would log what is wrong, and leave the client waiting.
        """

        async def handle(stream: Any, ident: Any, parent: Any) -> None:
            try:
                if kind == "execute_request" and not isinstance(parent["content"]["code"], str):
                    raise TypeError("its code is no text")
                handled = handler(stream, ident, parent)
                if isawaitable(handled):
                    await handled
            except Exception as error:  # the boundary where a reply must go out
                self.log.exception("A request could not be answered")
                if kind.endswith("_request") and self.session is not None:
                    content = {"status": "error", **error_of(error).content}
                    reply = kind.replace("_request", "_reply")
                    self.session.send(stream, reply, content, parent, ident=ident)

        return handle

    def set_parent(self, ident: Any, parent: Any, channel: str = "shell") -> None:
        """Set the request that what follows belongs to; beside others, for its own context alone.

        Threads of the running cell publish under what the base class notes here.
        """
        if channel == "shell" and _is_beside.get():
            self._shell_parent_ident.set(ident)
            self._shell_parent.set(parent)
        else:
            super().set_parent(ident, parent, channel)

    async def process_control(self, msg: Any) -> None:
        """Handle a control message, on a thread of its own."""
        await super().process_control(msg)
        if self.running is not None:  # which the main thread looks at again
            self.loop.call_soon_threadsafe(self.publish_busy)

    def publish_busy(self) -> None:
        """Say again that a cell runs, after a request beside it has ended in *idle*.

        Clients show the last status that they hear of, whatever request it belongs to.
        """
        if self.running is not None:
            self._publish_status("busy", "shell", parent=self.running_parent)

    def _goes_beside(self, msg: Any, *, is_waiting: bool) -> bool:
        """Whether a message is handled beside what runs on its channel.

        Args:
            msg: its frames.
            is_waiting: whether it would have to wait else.
        """
        if self.session is None:
            return False
        try:
            _, frames = self.session.feed_identities(msg, copy=False)
            message = self.session.deserialize(frames, content=False, copy=False)
            kind = message["header"]["msg_type"]
            if not is_waiting or kind != "execute_request":
                return kind in COMMS or (is_waiting and kind in QUICK)
            return background_call(self.session.unpack(message["content"])["code"]) is not None
        except (ValueError, LookupError, TypeError):
            return False  # the base class says what is wrong with it
