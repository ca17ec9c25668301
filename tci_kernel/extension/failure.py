"""The error with which a `%%tci` cell fails here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tci_kernel.core.errors import TCIError
from tci_kernel.core.messages import error_of
from tci_kernel.core.text import printable


class CellFailed(TCIError):
    """A cell, or a `%tci` line, has failed. IPython shows what it has shown where it failed.

    Args:
        evalue: the error's text.
        traceback: the lines that are shown.
    """

    def __init__(self, evalue: str, traceback: list[str]) -> None:
        super().__init__(evalue)
        self._traceback = traceback

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of the stack of this process."""
        return self._traceback


def failed(content: Mapping[str, Any]) -> CellFailed:
    """The error that stands for one of the session.

    Its class has the name of that one's: by it clients and users know an error.

    Args:
        content: of an `error` message.
    """
    name = printable(str(content.get("ename", "Error")))
    kind: type[CellFailed] = type(name, (CellFailed,), {"__doc__": CellFailed.__doc__})
    return kind(str(content.get("evalue", "")), [*map(str, content.get("traceback", ()))])


def failed_with(error: TCIError) -> CellFailed:
    """The error that stands for one of ours, without a stack that says nothing to the user."""
    return failed(error_of(error).content)
