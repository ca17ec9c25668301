"""A cell, from the kernel to the wire."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from tci_kernel.core.messages import Message

# What a client sends for the end of input.
END_OF_INPUT = "\x04"


@dataclass(frozen=True, slots=True)
class File:
    """A file to write into the session's working directory before the code runs.

    Attributes:
        name: its path, relative to the working directory.
        content: its text, or its bytes in base64.
        encoding: `string` or `base64`: what `content` is.
    """

    name: str
    content: str
    encoding: str = "string"

    def to_bytes(self) -> bytes:
        """The bytes that the file will hold.

        Raises:
            ValueError: the content is not what the encoding says.
        """
        if self.encoding == "string":
            return self.content.encode()
        try:
            return base64.b64decode(self.content, validate=True)
        except binascii.Error as error:
            raise ValueError(f"not base64: {error}") from error


class Frontend(Protocol):
    """Whoever sits in front of a cell."""

    @property
    def takes_questions(self) -> bool:
        """Whether somebody can be asked, and may be shown how far something is."""

    async def ask(self, prompt: str, *, hidden: bool) -> str:
        """What the user types at a prompt.

        Args:
            prompt: what the user reads.
            hidden: whether the typing is unseen.
        """


@runtime_checkable
class LocalFrontend(Frontend, Protocol):
    """Whoever sits in front of a cell that may run in this process, and hold it up."""

    def show(self, message: Message) -> None:
        """Publish a message of the cell at once. From any thread."""

    def ask_blocking(self, prompt: str, hidden: bool) -> str:
        """What the user types at a prompt, for code that the event loop waits for.

        Raises:
            EOFError: the input has ended.
        """


@dataclass(frozen=True, slots=True)
class Cell:
    """Code that is to run.

    Attributes:
        code: sent verbatim.
        number: the number that it has in the notebook, or that the next cell will have.
        hidden: it is not one of the user's: it has no number and is not replayed.
        is_part: more of the same cell follows, which has the number.
        silent: of its outputs, its value is not shown.
        files: written into the session's working directory first.
        user_expressions: Python expressions whose values its reply is to have, by any names.
        frontend: who sits in front of it; None if nobody does.
        header: that of the request that it came with, as JSON has it; None if it came with none.
        metadata: the request's.
    """

    code: str
    number: int = 1
    hidden: bool = False
    is_part: bool = False
    silent: bool = False
    files: Sequence[File] = ()
    user_expressions: Mapping[str, str] = field(default_factory=dict)
    frontend: Frontend | None = None
    header: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def interactive(self) -> bool:
        """Whether somebody sits in front of it who can be asked, and may be shown notices."""
        return self.frontend is not None and self.frontend.takes_questions
