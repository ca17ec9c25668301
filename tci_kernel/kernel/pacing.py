"""Keeps a burst of output below the rate limits of Jupyter Server, which drops what exceeds them.

ipykernel's output arrives while a cell runs; ours arrives at once, when the answer is there. What
is more than the limits allow is held back instead of lost.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from tci_kernel.core.messages import Message

# `ZMQChannelsWebsocketConnection`'s defaults are 1,000 messages/s and 1,000,000 bytes/s of
# stream messages, both over a window of 3 s. These leave a tenth for headers and status.
WINDOW = 3.0
MESSAGES = 2_700
STREAM_BYTES = 2_700_000

# Characters of a stream in one message. Of either limit this leaves much room.
STREAM_CHUNK = 65_536

# Bytes of a message beside its text: signature, headers, JSON.
OVERHEAD = 1_000


class IOPubPacer:
    """Counts what was published within the window and waits while it is full."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, int]] = deque()
        self._bytes = 0

    async def wait(self, stream_bytes: int) -> None:
        """Wait until a message may be published, and count it.

        Args:
            stream_bytes: bytes of stream text in it; 0 for other messages.
        """
        for pause in self._pauses(stream_bytes):
            await asyncio.sleep(pause)

    def block(self, stream_bytes: int) -> None:
        """Do as `wait`, where code runs that the event loop waits for."""
        for pause in self._pauses(stream_bytes):
            time.sleep(pause)

    def _pauses(self, stream_bytes: int) -> Iterator[float]:
        """The seconds to wait until there is room for a message, which is counted then."""
        size = stream_bytes + OVERHEAD if stream_bytes else 0
        self._forget(time.monotonic())
        while self._sent and (len(self._sent) >= MESSAGES or self._bytes + size > STREAM_BYTES):
            yield self._sent[0][0] + WINDOW - time.monotonic()
            self._forget(time.monotonic())
        self._sent.append((time.monotonic(), size))
        self._bytes += size

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0][0] + WINDOW <= now:
            self._bytes -= self._sent.popleft()[1]


def parts(message: Message) -> Iterator[Message]:
    """A message in parts of moderate size: long streams end at a line's end where there is one."""
    if message.type != "stream":
        yield message
        return
    text, start = message.content["text"], 0
    while start < len(text):
        end = min(start + STREAM_CHUNK, len(text))
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        yield replace(message, content={**message.content, "text": text[start:end]})
        start = end


def stream_bytes(message: Message) -> int:
    """The bytes of a message that Jupyter Server's data rate counts: those of stream text alone."""
    if message.type != "stream":
        return 0
    # As they are sent: an escape such as a line end's or a colour's is longer than its character.
    return len(json.dumps(message.content["text"], ensure_ascii=False).encode())
