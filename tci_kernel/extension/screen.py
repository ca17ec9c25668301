"""Shows what comes of a cell in the user's IPython, by what that has for it, and asks there."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping
from typing import Any

from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.page import page

from tci_kernel.core.cell import END_OF_INPUT
from tci_kernel.core.messages import Message, without_widget


class Screen:
    """What a user of an IPython looks at.

    Args:
        shell: the IPython.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    @property
    def _kernel(self) -> Any:
        """The kernel whose IPython this is; None in a terminal."""
        return getattr(self._shell, "kernel", None)

    @property
    def updates_displays(self) -> bool:
        """Whether a display can be updated and wiped; a terminal prints each below the last."""
        return self._kernel is not None

    @property
    def takes_questions(self) -> bool:
        """Whether who runs the cell can be asked something; ipykernel tells nowhere else."""
        return bool(getattr(self._kernel, "_allow_stdin", True))

    def show(self, message: Message) -> None:
        """Show a message. What speaks over comms is not shown: these don't reach this process."""
        match message:
            case Message("stream", {"name": name, "text": text}):
                self._write(name, text)
            case Message("error", {"traceback": lines}):
                self._write("stderr", "\n".join(lines) + "\n")
            case Message("display_data" | "update_display_data" | "execute_result", content):
                self._shell.display_pub.publish(
                    data=dict(without_widget(content["data"])),
                    metadata=dict(content.get("metadata", {})),
                    transient=dict(content.get("transient", {})),
                    update=message.type == "update_display_data",
                )
            case Message("clear_output", content):
                self._shell.display_pub.clear_output(wait=bool(content.get("wait")))

    def show_payload(self, item: Mapping[str, Any]) -> None:
        """Show a text in a pager. What else a reply may ask for is about cells of a kernel."""
        if item["source"] == "page":
            page(item["data"], start=item["start"])

    def ask(self, prompt: str, *, hidden: bool) -> str:
        """What the user types at a prompt, or what stands for the end of the input."""
        try:
            return getpass.getpass(prompt) if hidden else input(prompt)
        except (EOFError, StdinNotImplementedError):
            return END_OF_INPUT

    @staticmethod
    def _write(name: str, text: str) -> None:
        stream = sys.stderr if name == "stderr" else sys.stdout
        stream.write(text)
        stream.flush()
