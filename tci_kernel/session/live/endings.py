"""What ends a cell that can't be reached any more, or whose interpreter has died."""

from __future__ import annotations

from copy import copy

from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import Message, error, reply
from tci_kernel.session.live.installation import LiveUnavailable
from tci_kernel.session.live.outgoing import GOING_ON


def going_on(problem: TCIError) -> TCIError:
    """What a cell is told that runs there, and can't be reached any more."""
    error = copy(problem)
    error.may_have_run = True
    error.fate, error.advice = GOING_ON, ""
    return error


def died(reason: str, cell: Cell | None) -> tuple[Message | Exception, ...]:
    """What ends a request whose interpreter has died: of a cell, its error and its reply."""
    if cell is None:
        return (LiveUnavailable(reason),)
    text = (
        f"the interpreter ended while it ran this code ({reason}).\n"
        "Its variables are gone. The session and the files that are in it stay.\n"
        "The next cell starts another."
    )
    shown = error("InterpreterDied", text, [f"InterpreterDied: {text}"])
    return shown, reply(cell.number, shown)
