"""Keeps a relay that answers at once, and has nothing to say, from being asked without end."""

from __future__ import annotations

# Answers of this kind, one after another, that are taken for chance: such as after a lost one.
FREE = 5

# Seconds until the next exchange: after the first answer beyond those, and at most.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0


class Haste:
    """Counts answers that came too early.

    A relay waits in an exchange until there is something to tell, or for as long as it was asked
    to; outputs it gathers. One in a session that lies may do neither.
    """

    def __init__(self) -> None:
        self._early = 0

    def note(self, *, is_early: bool) -> None:
        """Note an answer.

        Args:
            is_early: whether it came before the relay could have had a reason to give it.
        """
        self._early = self._early + 1 if is_early else 0

    @property
    def pause(self) -> float:
        """Seconds to wait before the next exchange; 0 as a rule."""
        beyond = self._early - FREE
        return min(FIRST_PAUSE * 2 ** min(beyond, 10), LONGEST_PAUSE) if beyond >= 0 else 0.0
