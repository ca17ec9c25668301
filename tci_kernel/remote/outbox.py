"""What a client has not fetched yet: numbered, joined and bounded.

It travels to the session as text, before that of `relay`; the server uses it as it is.
"""

from __future__ import annotations

from collections import deque
from typing import Iterator

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.frames import Frames, as_json

# Bytes that are kept for one client, and the share of them that is kept from the beginning.
KEPT = 64000000
FIRST_SHARE = 4

# What a message costs beside its own bytes.
OVERHEAD = 500

# What a part of a message costs in an answer beside its text.
PART = 30

# What may be dropped, since nothing waits for it, and what it counts as where that is said. Code
# that goes on alone may send any number of these; of all others there are few.
DROPPABLE = {
    "stream": ("line", "lines"),
    "display_data": ("display", "displays"),
    "update_display_data": ("display", "displays"),
    "execute_result": ("display", "displays"),
    "comm_msg": ("update of a widget", "updates of widgets"),
    "clear_output": None,
}


class Outbox:
    """The messages for one client, in their order.

    What was given out is kept until the client says that it has arrived, and given again until
    then. What was not given out yet is joined where it can be, and beyond a limit its middle is
    dropped and counted. The last message is never dropped, however large it is.

    Args:
        kept: bytes of messages that are kept, but for one that is larger at the beginning or end.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._given: deque[tuple[str, Frames]] = deque()
        self._next = 1  # the number of the first that is in `_given`, or will be
        self._first: deque[Frames] = deque()
        self._dropped: _Dropped | None = None
        self._last: deque[Frames] = deque()
        self._first_size = self._last_size = 0

    def __len__(self) -> int:
        waiting = len(self._first) + len(self._last) + (self._dropped is not None)
        return len(self._given) + waiting

    @property
    def size(self) -> int:
        """The bytes of what was not given out yet."""
        return self._first_size + self._last_size

    @property
    def repeats(self) -> bool:
        """Whether something was given out that is not known to have arrived."""
        return bool(self._given)

    def put(self, message: Frames) -> None:
        """Add a message."""
        for piece in message.pieces():
            self._put(piece)

    def _put(self, message: Frames) -> None:
        share = self._kept // FIRST_SHARE
        begins = self._dropped is None and not self._last
        if begins and self._first_size < share:
            self._first_size += self._append(self._first, message)
            return
        self._last_size += self._append(self._last, message)
        # However large the beginning is, the end has its share.
        while len(self._last) > 1 and self._last_size > max(self._kept - self._first_size, share):
            self._drop(self._last.popleft())

    def _append(self, messages: deque[Frames], message: Frames) -> int:
        """Add a message to others, or join it with the last of them; gives the bytes of it."""
        before = messages[-1].size if messages else 0
        if messages and messages[-1].join(message):
            return messages[-1].size - before
        messages.append(message)
        return message.size + OVERHEAD

    def _drop(self, message: Frames) -> None:
        self._last_size -= message.size + OVERHEAD
        if message.type in DROPPABLE:
            self._dropped = self._dropped or _Dropped()
            self._dropped.add(message)
        else:
            self._first.append(message)
            self._first_size += OVERHEAD  # however large: it is not bounded a second time

    def acknowledge(self, number: int) -> None:
        """Forget what was given out, up to a number."""
        while self._given and self._next <= number:
            self._given.popleft()
            self._next += 1

    def take(self, limit: int) -> tuple[int, list[str], bool]:
        """Give out what there is, again or for the first time.

        Args:
            limit: bytes that it may take.

        Returns:
            the number of the first text, the texts, and whether there is more.
        """
        size = sum(_size(text) for text, _ in self._given)
        while len(self) > len(self._given) and size < limit:
            message = self._pop()
            for text in _in_parts(message.text(), limit):
                self._given.append((text, message))
                size += _size(text)
        texts = _within((text for text, _ in self._given), limit)
        return self._next, texts, len(self) > len(texts)

    def unfetched(self) -> Iterator[Frames]:
        """The messages that are not known to have arrived."""
        given = None
        for _, message in self._given:
            if message is not given:
                yield message
            given = message
        yield from self._first
        if self._dropped is not None:
            yield self._dropped.message()
        yield from self._last

    def _pop(self) -> Frames:
        """The next message that was not given out yet."""
        if not self._first and self._dropped is None:
            self._first, self._last = self._last, self._first
            self._first_size, self._last_size = self._last_size, self._first_size
        if not self._first and self._dropped is not None:
            dropped, self._dropped = self._dropped, None
            return dropped.message()
        message = self._first.popleft()
        self._first_size = max(0, self._first_size - message.size - OVERHEAD)
        return message


class _Dropped:
    """Counts what was dropped."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._last: Frames | None = None

    def add(self, message: Frames) -> None:
        self._last = message
        units = DROPPABLE[message.type]
        if units is not None:
            count = message.content()["text"].count("\n") if message.name else 1
            self._counts[units] = self._counts.get(units, 0) + count

    def message(self) -> Frames:
        """What is said in the place of what was dropped."""
        counts = [(count, units[count > 1]) for units, count in self._counts.items() if count]
        what = " and ".join("%s %s" % (format(count, ","), unit) for count, unit in counts)
        assert self._last is not None  # noqa: S101 - one is added before it is asked
        return self._last.note("\n… %s not kept …\n" % (what or "some output"))


def _size(text: str) -> int:
    """The bytes that a text takes in an answer."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _in_parts(text: str, limit: int) -> Iterator[str]:
    """A message's text, or the parts of one that is longer than an answer may be."""
    if _size(text) <= limit:
        yield text
        return
    # A character takes up to four bytes, or two of those that a string in JSON escapes.
    step = max(1, limit // (2 if text.isascii() else 4) - PART)
    for start in range(0, len(text), step):
        more = start + step < len(text)
        yield as_json({"part": text[start : start + step], "more": more})


def _within(texts: Iterator[str], limit: int) -> list[str]:
    """The first of the texts: as many as the limit allows, and one at least."""
    size = 0
    found: list[str] = []
    for text in texts:
        size += _size(text)
        if found and size > limit:
            break
        found.append(text)
    return found
