"""Asking the user: an interrupt ends a question, but never a message half sent."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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


def at_once(work: Callable[[], None]) -> None:
    """What a thread does that has nothing else to do."""
    work()


def asking(wire: Any, schedule: Callable[..., object] = at_once) -> CellFrontend:
    def show(_message: Message) -> None:
        """Show nothing: only questions are asked here."""

    nowhere: Any = None
    return CellFrontend(True, show, schedule, wire, nowhere, {}, b"")


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


def test_a_question_does_not_overtake_what_was_shown_before_it() -> None:
    wire: Any = Wire("never")
    with ThreadPoolExecutor(1) as thread:
        thread.submit(time.sleep, 0.3)  # what a busy machine does to it
        thread.submit(wire.log.append, "shown")
        asking(wire, thread.submit).ask_blocking("? ", hidden=False)
    assert wire.log[0] == "shown"
