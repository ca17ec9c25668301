"""Gives a script in the session the standard input of whoever runs it, piece by piece.

It travels to the session as text, before that of `script`.
"""

from __future__ import annotations

import io
import sys
from typing import Any, Callable

# The prompt by which a piece is asked for. The answer has each byte as the character of its number.
MORE = "\x1etci-kernel:standard-input"

NO_INPUT = "standard input can't be read: code in this session can't ask for it"


class Pieces(io.RawIOBase):
    """Standard input, of which whoever runs the script has the rest.

    Args:
        ask: asks for a piece, and waits for it.
        is_terminal: whether somebody types it.
    """

    def __init__(self, ask: Callable[[str], str], *, is_terminal: bool) -> None:
        self._ask = ask
        self._is_terminal = is_terminal
        self._rest = b""

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def isatty(self) -> bool:
        """Whether somebody types it."""
        return self._is_terminal

    def readinto(self, buffer: Any) -> int:
        """Read what there is, waiting for it; 0 at the end."""
        piece = self._rest or self._next()
        count = min(len(piece), len(buffer))
        buffer[:count], self._rest = piece[:count], piece[count:]
        return count

    def _next(self) -> bytes:
        try:
            return self._ask(MORE).encode("latin-1")
        except EOFError:
            return b""
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None  # ipykernel adds words that Python does not
        except NotImplementedError:  # as IPython's own error is
            raise io.UnsupportedOperation(NO_INPUT) from None


def standard_input(ask: Callable[[str], str], *, is_terminal: bool) -> io.TextIOWrapper:
    """What a script finds in `sys.stdin`. For the arguments see `Pieces`."""
    pieces = io.BufferedReader(Pieces(ask, is_terminal=is_terminal))
    return io.TextIOWrapper(pieces, encoding="utf-8", newline="\n")


def ask_for_line(prompt: object = "") -> str:
    """`input`, as Python has it where standard input is no terminal."""
    sys.stdout.write(str(prompt))
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line[:-1] if line[-1] == "\n" else line
