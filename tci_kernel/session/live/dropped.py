"""What becomes of exchanges that are dropped for what has to be sent meanwhile."""

from __future__ import annotations

import time

# Seconds that a dropped exchange must have had left to tell anything by.
TELLING = 0.2


class DroppedExchanges:
    """Learns whether the service goes on with calls whose caller has hung up.

    Where it does, and runs the calls of a session one after another, what is sent next has to wait
    for the end of an exchange that nobody waits for any more.

    Attributes:
        run_on: whether it does, as was last seen.
    """

    def __init__(self) -> None:
        self.run_on = False
        self._end = 0.0  # when all that were dropped have ended, should they run on

    def note_dropped(self, begun: float, wait: float) -> None:
        """Note that one is dropped.

        Args:
            begun: when it was sent.
            wait: seconds that the relay waits in it for news.
        """
        self._end = max(self._end, begun) + wait

    def note_answered(self, begun: float, took: float) -> None:
        """Note the answer to one, which tells of those that were dropped before it.

        Args:
            begun: when it was sent.
            took: seconds that it took in the session; the others it was on its way, or waited.
        """
        left, self._end = self._end - begun, 0.0
        if left > TELLING:
            self.run_on = time.monotonic() - begun - took > left / 2
