"""Who sits in front of a command: what is shown to them, and what they type."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click

from tci_kernel.core.cell import END_OF_INPUT
from tci_kernel.core.messages import Message
from tci_kernel.remote.standard_input import MORE

# What Python asks with where ipykernel, which gets no prompt, has none.
_ASK_UNSEEN = "Password: "

# Bytes of standard input that are sent at once.
_PIECE = 1 << 16


class Terminal:
    """The terminal or the pipes of this process. See `Frontend`."""

    takes_questions = True

    def __init__(self) -> None:
        self._typing: asyncio.Future[str] | None = None

    def show(self, message: Message) -> None:
        """Print what a terminal can show of a message."""
        match message:
            case Message("stream", {"name": name, "text": text}):
                stream = sys.stderr if name == "stderr" else sys.stdout
                stream.write(text)
                stream.flush()
            case Message("display_data" | "execute_result", {"data": data}):
                click.echo(_text(data))
            case Message("error", {"traceback": lines}):
                # Unlike what the code itself printed, this loses its colours where no terminal is.
                click.echo("\n".join(lines), err=True)

    async def show_late(self, message: Message) -> None:
        """As `show`, for what comes while no code runs."""
        self.show(message)

    async def ask(self, prompt: str, *, hidden: bool) -> str:
        """What is typed at a prompt; a piece of standard input where a script asks for that.

        What comes too late for a question that was interrupted is there for the next one.

        Args:
            prompt: what the user reads.
            hidden: whether the typing is unseen.
        """
        if self._typing is None:
            self._typing = asyncio.get_running_loop().create_future()
            # A thread that the process does not wait for, since it may wait for the user for ever.
            reading = (self._typing, prompt, hidden)
            threading.Thread(target=self._read, args=reading, daemon=True).start()
        typed = await asyncio.shield(self._typing)
        self._typing = None
        return typed

    def _read(self, typing: asyncio.Future[str], prompt: str, hidden: bool) -> None:
        typed = self.ask_blocking(prompt, hidden)
        with suppress(RuntimeError):  # the command has ended meanwhile
            typing.get_loop().call_soon_threadsafe(typing.set_result, typed)

    def ask_blocking(self, prompt: str, hidden: bool) -> str:
        """As `ask`, for who may wait.

        Args:
            prompt: what the user reads.
            hidden: whether the typing is unseen.
        """
        try:
            if hidden:
                return getpass.getpass(prompt or _ASK_UNSEEN)
            if prompt != MORE:
                return input(prompt)
        except EOFError:
            return END_OF_INPUT
        # Past Python's own buffer: a thread that holds it would keep the process from ending.
        return os.read(sys.stdin.fileno(), _PIECE).decode("latin-1") or END_OF_INPUT


def _text(data: Mapping[str, Any]) -> str:
    return str(data.get("text/plain", f"<{', '.join(data)}>"))
