"""How long to wait before a request that surely did not run is sent again."""

from __future__ import annotations

import math
import random

from tci_kernel.core.errors import TCIError
from tci_kernel.core.text import duration

# Seconds: the first pause, and the longest that we choose ourselves.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

# Seconds of the shortest pauses where the service asks for less, or none: each is twice the last.
SHORTEST_ASKED, LONGEST_SHORTEST = 0.1, 1.0


class Backoff:
    """The pauses of one cell: doubled each time, with jitter, and limited in their sum.

    What attempts take counts only where `spend` says so: a cell may run for long before it fails.

    Args:
        limit: seconds that all pauses together may take.
        first: seconds of the first pause that the service does not choose.
        longest: of the longest one.
    """

    def __init__(
        self, limit: float, *, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE
    ) -> None:
        self._limit = self._left = limit
        self._next = first
        self._least = SHORTEST_ASKED
        self._longest = longest

    def pause(self, error: TCIError) -> float | None:
        """Seconds to wait before a request is sent again that may be; None if it took too long.

        A service that says how long is obeyed, with up to a tenth on top, so that many clients
        don't come back in the same moment; but none has itself asked again without a pause.
        Otherwise the pause is between a half and the whole of a value that doubles. An error that
        would be sent again, were there time, says so.
        """
        if error.retry_after is not None:
            jittered = error.retry_after * random.uniform(1.0, 1.1)  # noqa: S311 - no secret
            seconds = max(error.retry_after, min(max(jittered, self._least), self._left))
            self._least = min(self._least * 2, LONGEST_SHORTEST)
        else:
            seconds = self._next * random.uniform(0.5, 1.0)  # noqa: S311
            self._next = min(self._next * 2, self._longest)
        if seconds > self._left or self._left <= 0:
            error.fate += self._why_not(error)
            return None
        self._left -= seconds
        return seconds

    def spend(self, seconds: float) -> None:
        """Count time that an attempt took which failed as well, where it is not a cell's own."""
        self._left -= seconds

    def _why_not(self, error: TCIError) -> str:
        limit = f"RemoteSession.retry_for ({self._limit:g} s)"
        if error.retry_after is None or error.retry_after <= self._left:
            return f" It was sent again for as long as {limit} allows." if self._limit else ""
        wait = duration(math.ceil(error.retry_after))
        return f" The service asks to wait for {wait}, which is longer than {limit} leaves."
