"""Who sits in front of a cell, without a client: for sessions that tests drive themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from tci_kernel.core.messages import Message


@dataclass
class Person:
    """Somebody who can be asked and may be shown notices; gives one answer to all questions."""

    answer: str = "typed"
    takes_questions: bool = True
    seen: list[Message] = field(default_factory=list)

    def show(self, message: Message) -> None:
        self.seen.append(message)

    async def ask(self, _prompt: str, *, hidden: bool) -> str:  # noqa: ARG002
        return self.answer

    def ask_blocking(self, _prompt: str, _hidden: bool) -> str:
        return self.answer
