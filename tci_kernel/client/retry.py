"""How long to wait before a request that surely did not run is sent again."""

from __future__ import annotations

import random

from tci_kernel.core.errors import TCIError

# Seconds: the first pause, and the longest that we choose ourselves.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0


class Backoff:
    """The pauses of one cell: doubled each time, with jitter, and limited in their sum.

    Args:
        limit: seconds that all pauses together may take.
    """

    def __init__(self, limit: float) -> None:
        self._left = limit
        self._next = FIRST_PAUSE

    def pause(self, error: TCIError) -> float | None:
        """Seconds to wait before the request is sent again; None if it is not to be.

        A service that says how long is obeyed, with up to a tenth on top, so that many clients
        don't come back in the same moment. Otherwise the pause is between a half and the whole of
        a value that doubles.
        """
        if not error.sent_again:
            return None
        if error.retry_after is not None:
            seconds = error.retry_after * random.uniform(1.0, 1.1)  # noqa: S311 - no secret
        else:
            seconds = self._next * random.uniform(0.5, 1.0)  # noqa: S311
            self._next = min(self._next * 2, LONGEST_PAUSE)
        if seconds > self._left:
            return None
        self._left -= seconds
        return seconds
