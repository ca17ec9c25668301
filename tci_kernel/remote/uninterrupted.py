"""Keeps interrupts from what is noted beside a cell, and has them strike the cell instead.

It travels to the session as text before that of `lineage`. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import ast
import signal
import threading
from contextlib import contextmanager
from typing import Any, Iterator


@contextmanager
def uninterrupted() -> Iterator[list[int]]:
    """Let no interrupt strike; gives those that would have.

    Whoever else than Python's own handler waits for them, gets them afterwards.
    """
    came: list[int] = []
    handler: Any = signal.getsignal(signal.SIGINT)
    # They strike the main thread alone, and what is not Python's could not be put back.
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield came
        return
    signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, handler)
        if came and callable(handler) and handler is not signal.default_int_handler:
            handler(came[0], None)


def interrupted(tree: Any) -> Any:
    """What becomes of a cell's tree if the cell is interrupted at its first line."""
    if not tree.body:
        return tree
    strikes = ast.parse("raise KeyboardInterrupt")
    for node in ast.walk(strikes.body[0]):
        if isinstance(node, (ast.stmt, ast.expr)):
            ast.copy_location(node, tree.body[0])
    return strikes
