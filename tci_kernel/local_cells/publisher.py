"""The way out of running code: what it shows is published at once, in order."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

from tci_kernel.core.messages import Message, stream

# Seconds for which printed text is gathered, and characters that are not held back any longer:
# a message for each write would be felt.
_PAUSE = 0.05
_ENOUGH = 65_536

Show = Callable[[Message], None]


class Publisher:
    """Publishes messages as they come, and printed text within moments. For any thread.

    Attributes:
        show: what is done with a message. After a cell it stays that cell's: what a thread shows
            later belongs there.
    """

    def __init__(self) -> None:
        self.show: Show = lambda _message: None
        # A signal may interrupt the thread that holds it, whose handler then writes: reentrant.
        self._lock = threading.RLock()
        self._name = ""
        self._texts: list[str] = []
        self._size = 0
        self._has_text = threading.Event()
        threading.Thread(target=self._flush_in_turn, daemon=True, name="local output").start()

    def publish(self, message: Message) -> None:
        """Publish a message, after the text that was written before it."""
        with self._lock:
            self.flush()
            self.show(message)

    def write(self, name: str, text: str) -> None:
        """Take text for the stream of that name."""
        with self._lock:
            if name != self._name:
                self.flush()
                self._name = name
            self._texts.append(text)
            self._has_text.set()
            self._size += len(text)
            if self._size >= _ENOUGH:
                self.flush()

    def flush(self) -> None:
        """Publish what text there is."""
        with self._lock:
            text = "".join(self._texts)
            self._texts.clear()
            self._size = 0
            if text:
                self.show(stream(self._name, text))

    def _flush_in_turn(self) -> None:
        while self._has_text.wait():
            time.sleep(_PAUSE)
            self._has_text.clear()
            self.flush()


class PublishedStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of code that runs here.

    Args:
        publisher: where the text goes.
        name: the stream's name there.
    """

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, publisher: Publisher, name: str) -> None:
        super().__init__()
        self._publisher = publisher
        self.name = name

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Take text."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")
        self._publisher.write(self.name, text)
        return len(text)

    def flush(self) -> None:
        """Show what was written."""
        self._publisher.flush()
