"""Prints the answers of what runs in the session for the kernel.

It travels to the session as text, before that of `calls` and `relay`.
"""

from __future__ import annotations

import sys
from typing import Any


def say(text: str) -> None:
    """Print a text past the `write` that IPython 9 puts on the stream.

    That one keeps it for as long as the session lives: pieces of files would add up.
    """
    stream: Any = sys.stdout
    if hasattr(type(stream), "write"):
        type(stream).write(stream, text)
    else:
        stream.write(text)
