"""What exchanges ask of an interpreter, wherever that runs.

It travels to the session as text, before that of `relay`.
"""

from __future__ import annotations

from typing import Any, Callable, Protocol

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.frames import Frames

# States of an interpreter.
STARTING, READY, DEAD, FAILED = "starting", "ready", "dead", "failed"
ENDED = (DEAD, FAILED)


class Interpreter(Protocol):
    """An interpreter, as exchanges see it.

    Attributes:
        number: how many there have been in its session, with this one.
        state: one of the states above.
        reason: why it has failed or how it died; a text.
        info: the content of its `kernel_info_reply`, once it is ready.
    """

    number: int
    state: str
    reason: str
    info: dict[str, Any]

    @property
    def pid(self) -> int:
        """Its process; 0 if there is none."""

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, given as an exchange brings it; it waits until this is ready."""

    def interrupt(self) -> None:
        """Interrupt what it runs, with what that has started."""

    def end(self) -> None:
        """Kill it, with all that it has started."""


# Starts an interpreter, by its number; told what receives its messages, and what is called when its
# state has changed. Both may be called on any thread.
Starter = Callable[[int, Callable[["Frames"], None], Callable[[], None]], Interpreter]
