"""Asking the user: an interrupt ends a question, but never a message half sent."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tci_kernel.core.messages import Message
from tci_kernel.kernel.frontend import CellFrontend


class Wire:
    """A session that is interrupted while it sends or receives."""

    def __init__(self, interrupted: str) -> None:
        self.interrupted = interrupted
        self.log: list[str] = []

    def use(self, name: str) -> None:
        self.log.append(f"{name} begins")
        if name == self.interrupted:
            signal.raise_signal(signal.SIGINT)
        self.log.append(f"{name} ends")

    def send(self, *_args: Any, **_options: Any) -> None:
        self.use("send")

    def recv(self, *_args: Any) -> tuple[None, dict[str, Any] | None]:
        if "send ends" not in self.log:
            return None, None  # nothing is left from an earlier question
        self.use("recv")
        return None, {"content": {"value": "typed"}}


def asking(wire: Any) -> CellFrontend:
    def show(_message: Message) -> None:
        """Show nothing: only questions are asked here."""

    nowhere: Any = None
    return CellFrontend(True, show, wire, nowhere, {}, b"")


@pytest.fixture
def _python_handles_interrupts() -> Iterator[None]:
    """Whoever started this process may have it ignore SIGINT, as shells do in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_python_handles_interrupts")
@pytest.mark.parametrize("step", ["send", "recv"])
def test_an_interrupt_waits_for_the_end_of_a_message(step: str) -> None:
    wire: Any = Wire(step)
    frontend = asking(wire)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        frontend.ask_blocking("? ", hidden=False)
    assert wire.log[-1] == f"{step} ends"
    assert signal.getsignal(signal.SIGINT) is before


def test_what_is_typed_is_given() -> None:
    wire: Any = Wire("never")
    frontend = asking(wire)
    assert frontend.ask_blocking("? ", hidden=True) == "typed"
