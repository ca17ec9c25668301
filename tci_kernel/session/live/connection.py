"""What is said to a session's interpreter, and who gets what it says."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from tci_kernel.client.failures import failure
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import Message, reply, stream
from tci_kernel.session.live.endings import died, going_on
from tci_kernel.session.live.exchange import DEAD, FAILED, Incoming
from tci_kernel.session.live.haste import Haste
from tci_kernel.session.live.installation import LiveUnavailable
from tci_kernel.session.live.link import Link, News
from tci_kernel.session.live.pending import (
    USERNAME,
    Pending,
    Trouble,
    companion,
    execute_request,
    new_header,
    without_alive,
)
from tci_kernel.session.live.shapes import checked
from tci_kernel.session.live.subshells import Subshells
from tci_kernel.session.live.watch import Watch
from tci_kernel.session.live.ways import RelayLost

# What the interpreter publishes that a client may see.
PUBLISHED = frozenset(
    {
        "clear_output",
        "comm_close",
        "comm_msg",
        "comm_open",
        "debug_event",
        "display_data",
        "error",
        "execute_result",
        "stream",
        "update_display_data",
    }
)

# The expression by which the interpreter tells how much of the cells lives on.
TELL_ALIVE = companion("told_alive()")

# Requests that the interpreter takes while its main thread runs a cell.
CONTROL = frozenset(
    {"create_subshell_request", "debug_request", "delete_subshell_request", "usage_request"}
)

# Messages of a cell that wait to be published, beyond which no more are fetched, and the seconds
# between looks at them.
BEHIND = 2_000
BEHIND_PAUSE = 0.05

# Seconds before which an answer comes early that has no reason to.
HASTE = 0.05

Listener = Callable[[Message], Awaitable[None]]


class Connection:
    """The connection to one session's interpreter.

    Exchanges are made by a task of its own: while a request is not answered, and while something
    may come by itself. Each message goes to the request that it belongs to, to the running cell, or
    to the listener.

    Args:
        link: the way to the session's relay.
        listener: publishes what comes while no cell runs.

    Attributes:
        link: as above.
        watch: what goes on there by itself.
        subshells: the interpreter's.
        foreground: the user's cell that runs on the interpreter's main thread, if one does.
        is_lost: whether there is no relay any more.
    """

    def __init__(self, link: Link, listener: Listener) -> None:
        self.link = link
        self.watch = Watch()
        self.subshells = Subshells(self.ask, lambda: link.info)
        self.foreground: Pending | None = None
        self.is_lost = False
        self._listener = listener
        self._pending: dict[str, Pending] = {}
        self._given_up: set[str] = set()  # programs of ours that run, and nobody waits for
        self._exchanging: asyncio.Task[None] | None = None
        self._last_header: Mapping[str, Any] | None = None  # of a client's last cell
        self._haste = Haste()
        self._untold = ""  # how an interpreter has ended, where nobody has heard of it
        self._interpreter = 0  # its number, as was last heard; 0 for one that has ended

    def begin(self, pending: Pending, channel: str, request: Mapping[str, Any]) -> None:
        """Send a request, and see to it that its answer is fetched."""
        files = pending.cell.files if pending.cell is not None else ()
        if pending.cell is not None and not pending.collects:
            self._last_header = request["header"]
        pending.number = self.link.send(channel, request, files)
        self._pending[pending.msg_id] = pending
        self.see_to_it()

    def await_end(self, joined: Pending) -> None:
        """See to it that what ran before is waited for."""
        joined.number = self.link.sent
        self._pending[joined.msg_id] = joined
        self.see_to_it()

    async def ask(self, request: Message, subshell_id: str | None = None) -> Message | None:
        """The reply to a request, however long that takes; None where none comes.

        Args:
            request: its `parent` is the header that it goes with; None for one of our own.
            subshell_id: the interpreter's, where that is to answer.
        """
        header = dict(request.parent) if request.parent is not None else new_header(request.type)
        header.pop("subshell_id", None)
        if subshell_id is not None:
            header["subshell_id"] = subshell_id
        content = {
            "header": header,
            "metadata": dict(request.metadata),
            "content": dict(request.content),
            "buffers": [b64encode(bytes(buffer)).decode() for buffer in request.buffers],
        }
        self.watch.note_comm(request)
        pending = Pending(str(header["msg_id"]))
        self.begin(pending, "control" if request.type in CONTROL else "shell", content)
        try:
            item = await pending.arrived.get()
        finally:
            await self.end(pending)
        return item if isinstance(item, Message) and item.type != "status" else None

    def see_to_it(self) -> None:
        """Have exchanges made, now that something is to be sent or to be waited for."""
        self.watch.note_news()
        if self._exchanging is None or self._exchanging.done():
            self._exchanging = asyncio.create_task(self._exchange())

    async def end(self, pending: Pending) -> None:
        """Wait no longer for a request; what of it nobody has taken is published."""
        if self._pending.pop(pending.msg_id, None) is not None and pending.collects:
            self._given_up.add(pending.msg_id)
        if self.foreground is pending:
            self.foreground = None
        while not pending.arrived.empty():
            item = pending.arrived.get_nowait()
            if not pending.collects and isinstance(item, Message) and item.type in PUBLISHED:
                await self._listener(item)

    def close(self) -> None:
        """Stop listening. The interpreter lives on."""
        if self._exchanging is not None:
            self._exchanging.cancel()
        self.link.close()

    # -- exchanges ---------------------------------------------------------------------------

    async def _exchange(self) -> None:
        """Make exchanges while something is to be sent or to be waited for."""
        while True:
            if self._is_idle() and (self.link.way.idle_wait is None or not self._interpreter):
                pause = self.watch.pause(runs_on=self.link.dropped.run_on)
                if pause is None:
                    return
                await self.link.wait_for_change(pause)
                self._ask_alive()
            while self._is_behind() and not self.link.has_more:
                await self.link.wait_for_change(BEHIND_PAUSE)
            if self._haste.pause and not self.link.has_more:
                await self.link.wait_for_change(self._haste.pause)
            begun, wait = time.monotonic(), self._wait()
            try:
                news = await self.link.exchange(wait, self._tell)
            except RelayLost as problem:
                self.is_lost = True
                self._fail_all(failure("body", str(problem)))
                return
            except TCIError as problem:
                self._fail_all(problem)
                return
            took = time.monotonic() - begun
            self._haste.note(is_early=took < min(HASTE, wait) and not self._answers(news))
            await self._take(news)

    def _is_idle(self) -> bool:
        """Whether nothing is to be sent, and nothing that was sent has to be answered."""
        return not self._pending and not self.link.has_more

    def _answers(self, news: News) -> bool:
        """Whether there is a reason to give news at once: a request's reply, or much output."""
        if self.link.way.gather < HASTE:
            return bool(news.incoming)
        is_full = news.answer.more and bool(news.incoming)
        replied = (one for one in news.incoming if one.channel != "iopub")
        return is_full or any(one.parent_id in self._pending for one in replied)

    def _is_behind(self) -> bool:
        """Whether more has come than is published yet: there it is bounded."""
        return any(one.arrived.qsize() > BEHIND for one in self._pending.values())

    def _wait(self) -> float:
        """Seconds that the next exchange may wait for news.

        While nothing runs it must not stand in the way of what is sent next.
        """
        if self.link.way.idle_wait is not None:
            return self.link.way.idle_wait
        if self.link.dropped.run_on and self._is_idle():
            return 0.0
        is_starting = self.link.answer is None  # it has nothing to show yet
        return self.watch.wait(is_starting=is_starting)

    def _ask_alive(self) -> None:
        """Ask how much of the cells lives on, where nothing else is sent."""
        if not self._pending and self.watch.is_to_be_asked():
            self.link.send("shell", execute_request(Cell("", silent=True, hidden=True), TELL_ALIVE))

    def _tell(self, text: str) -> None:
        """Have the user read why nothing comes."""
        if self.foreground is not None:
            self.foreground.arrived.put_nowait(Trouble(text))

    def _fail_all(self, problem: Exception) -> None:
        taken = 0 if self.link.answer is None else self.link.answer.taken
        pending, self._pending = self._pending, {}
        for one in pending.values():
            if isinstance(problem, TCIError) and not self.is_lost and one.number <= taken:
                one.arrived.put_nowait(going_on(problem))
            else:
                one.arrived.put_nowait(problem)

    # -- what has come -----------------------------------------------------------------------

    async def _take(self, news: News) -> None:
        """Give each message to who waits for it."""
        self._tell_end()
        for incoming in news.incoming:
            readable = checked(incoming)
            if readable is not None and not self._is_given_up(readable):
                await self._deliver(readable)
        interpreter = news.answer.interpreter
        if interpreter.state == FAILED:
            self._fail_all(LiveUnavailable(interpreter.reason))
        elif interpreter.state == DEAD:
            self._end_old(news.answer.taken, interpreter.reason)
            self._interpreter = 0
        elif interpreter.number != self._interpreter:
            if self._interpreter:
                self._end_old(news.old, interpreter.before)
            self._interpreter = interpreter.number
            self._tell_end()
        joined = self._joined()
        if joined is not None and not (news.answer.running or news.answer.more):
            self._pending.pop(joined.msg_id, None)
            joined.arrived.put_nowait(reply(0))

    def _is_given_up(self, incoming: Incoming) -> bool:
        """Whether a message is of a program that nobody waits for; its reply is the last."""
        is_given_up = incoming.parent_id in self._given_up
        if is_given_up and incoming.channel == "shell":
            self._given_up.remove(incoming.parent_id)
        return is_given_up

    def _end_old(self, taken: int, reason: str) -> None:
        """End what an interpreter was given that has ended.

        Args:
            taken: the number of the last message that it was given.
            reason: how it ended.
        """
        self.watch = Watch()
        self.subshells = Subshells(self.ask, lambda: self.link.info)
        self._given_up.clear()
        old = [one for one in self._pending.values() if one.number <= taken]
        for one in old:
            del self._pending[one.msg_id]
            for item in died(reason, one.cell):
                one.arrived.put_nowait(item)
        if not old:
            self._untold = reason

    def _tell_end(self) -> None:
        """Have the user read, with the next cell, of an end that no cell has told of."""
        if self._untold and self.foreground is not None:
            text = (
                f"The interpreter has ended ({self._untold}): this is a new one, without "
                "variables.\n"
            )
            self.foreground.arrived.put_nowait(stream("stderr", text))
            self._untold = ""

    async def _deliver(self, incoming: Incoming) -> None:
        message = incoming.message
        pending = self._pending.get(incoming.parent_id)
        if pending is not None or message.type in PUBLISHED:
            self.watch.note_news()
        if incoming.channel in ("shell", "control") or message.type == "status":
            if message.type == "execute_reply":
                content, alive = without_alive(message.content)
                self.watch.note_alive(alive)
                message = replace(message, content=content, parent=None)
            if pending is not None:
                del self._pending[incoming.parent_id]
                pending.arrived.put_nowait(message)
        elif message.type == "input_request":
            asked = pending or self._joined()
            if asked is not None:
                asked.arrived.put_nowait(message)
        elif message.type in PUBLISHED:
            await self._publish(message, pending)

    async def _publish(self, message: Message, pending: Pending | None) -> None:
        """Give an output to its cell, to the running one, or to whoever listens.

        What a thread prints has the parent of the last request, which may be one of ours.
        """
        self.watch.note_comm(message)
        if pending is None and (message.parent or {}).get("username") == USERNAME:
            message = replace(message, parent=self._last_header or message.parent)
        if pending is not None and pending.cell is not None:
            pending.arrived.put_nowait(replace(message, parent=None))
        elif self.foreground is not None:
            found = replace(message, parent=None) if self._joined() else message
            self.foreground.arrived.put_nowait(found)
        else:
            await self._listener(message)

    def _joined(self) -> Pending | None:
        """What stands for what ran before, if that is waited for."""
        return self.foreground if self.foreground is not None and self.foreground.joins else None
