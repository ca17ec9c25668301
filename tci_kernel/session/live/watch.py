"""When the interpreter is asked though nothing runs there: something may go on by itself."""

from __future__ import annotations

import time

from tci_kernel.core.messages import Message

# Seconds that an exchange waits: while a cell runs, and while it has been silent for long.
WAIT = 1.0
LONG_WAIT = 5.0

# Seconds without news after which a cell counts as silent.
SILENT_AFTER = 120.0

# Seconds between exchanges while nothing runs: at first and at last. They grow by a half each time.
FIRST_PAUSE = 0.0
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

# The first pause where exchanges wait for nothing: as long as other output may be on its way.
POLLING_PAUSE = 0.25

# Seconds after news, or after a client's word, in which exchanges follow each other.
QUICK_FOR = 10.0

# Seconds between two questions how much of the cells lives on.
ASK_INTERVAL = 5.0

# Seconds without news after which open comms are asked no more. A client's word begins anew.
COMMS_FOR = 300.0


class Watch:
    """What is known to go on, and how long that has been silent.

    Attributes:
        comms: the ids of the open comms.
        alive: how many threads, tasks and processes of cells live on, as was last heard.
    """

    def __init__(self) -> None:
        self.comms: set[str] = set()
        self.alive = 0
        self._news = time.monotonic()
        self._pause = FIRST_PAUSE
        self._asked = 0.0

    def note_comm(self, message: Message) -> None:
        """Note that a comm was opened or closed, if that is what a message says."""
        comm_id = str(message.content.get("comm_id"))
        if message.type == "comm_open":
            self.comms.add(comm_id)
        elif message.type == "comm_close":
            self.comms.discard(comm_id)

    def is_to_be_asked(self) -> bool:
        """Whether it is time to ask how much of the cells lives on."""
        now = time.monotonic()
        if not self.alive or now < self._asked + ASK_INTERVAL:
            return False
        self._asked = now
        return True

    def note_alive(self, alive: int | None) -> None:
        """Note how much of the cells lives on, where that is known."""
        if alive is not None:
            self.alive = alive

    def note_news(self) -> None:
        """Note that something has come, or was sent."""
        self._news = time.monotonic()
        self._pause = FIRST_PAUSE

    def wait(self, *, is_starting: bool) -> float:
        """Seconds that the next exchange may wait while a request is not answered.

        Args:
            is_starting: whether the interpreter may still be starting, with nothing to tell yet.
        """
        return LONG_WAIT if is_starting or self._silence() > SILENT_AFTER else WAIT

    def pause(self, *, runs_on: bool) -> float | None:
        """Seconds until the next exchange while nothing runs; None if none is to come.

        Args:
            runs_on: whether exchanges that are dropped run on, so that these wait for nothing.
        """
        has_comms = bool(self.comms) and self._silence() < COMMS_FOR
        if not self.alive and not has_comms:
            return None
        if self._silence() > QUICK_FOR:
            self._pause = min(max(self._pause * 1.5, SHORTEST_PAUSE), LONGEST_PAUSE)
        return max(self._pause, POLLING_PAUSE) if runs_on else self._pause

    def _silence(self) -> float:
        return time.monotonic() - self._news
