"""The types of the arguments that name something: paths and variables, here and in the session."""

from __future__ import annotations

from click import Context, Parameter
from click.shell_completion import CompletionItem
from click.types import StringParamType


class Name(StringParamType):
    """Text that names something. What there is, is found out by whoever completes it.

    Args:
        kind: what it names, in words.
    """

    name = "name"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(
        self, _context: Context, _param: Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """One item that stands for all names that begin so."""
        return [CompletionItem(incomplete, type=self.kind)]


# Paths and patterns, on the computer that the kernel runs on and in the session.
LOCAL_PATH = Name("local path")
REMOTE_PATH = Name("remote path")

# Variables, of the `%%local` cells and of the session.
LOCAL_VARIABLE = Name("local variable")
REMOTE_VARIABLE = Name("remote variable")
