"""How a program says why it can't do, or finish, what the kernel asked of it.

It travels to the session as text before that of the programs that build on it.
"""

from __future__ import annotations

# Why, in a word for the kernel.
REFUSED = "refused"  # it can't be done; nothing has changed
BROKEN = "broken"  # it broke off on the way
MISSING = "missing"  # it takes a package that is not installed, whose name is the text


class Failure(Exception):
    """What is asked can't be done, or not to its end.

    Args:
        code: one of the words above.
        text: what the user reads.

    Attributes:
        code: as above.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
