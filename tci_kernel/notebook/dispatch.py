"""What a cell asks for, in its order: `%tci` lines, then this process or the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import AuthenticationFailed, Interrupted, InvalidKey
from tci_kernel.core.lines import local_cell, split
from tci_kernel.core.messages import Message, reply
from tci_kernel.notebook.hints import explained
from tci_kernel.runtime import Runtime


async def run(cell: Cell, runtime: Runtime) -> AsyncGenerator[Message]:
    """Run a cell as the user wrote it, and yield what it produces, its reply last.

    Raises:
        TCIError: what did not run, or may have run, and what to do.
    """
    commands, code = split(cell.code)
    try:
        for words in commands:
            async with aclosing(_command(words, cell, runtime)) as messages:
                async for message in messages:
                    yield explained(message)
        if (local := local_cell(cell.code)) is not None:
            yield await runtime.local_shell.run(local, cell)
        elif code.strip() or cell.user_expressions:
            await _ensure_key(cell, runtime)
            async with aclosing(runtime.session.run(replace(cell, code=code))) as messages:
                async for message in messages:
                    yield explained(message)
        else:
            yield reply(cell.number)
    except (AuthenticationFailed, InvalidKey):
        runtime.client.forget_key()
        raise


async def _ensure_key(cell: Cell, runtime: Runtime) -> None:
    try:
        await runtime.ensure_key(cell)
    except asyncio.CancelledError:
        raise Interrupted("nothing was sent: there is no key.") from None


async def _command(words: str, cell: Cell, runtime: Runtime) -> AsyncGenerator[Message]:
    from tci_kernel.commands.run import run as run_command  # noqa: PLC0415 - most cells have none

    try:
        async with aclosing(run_command(words, runtime, cell)) as messages:
            async for message in messages:
                yield message
    except (asyncio.CancelledError, Interrupted):
        raise Interrupted(
            f"'%tci {words}' was stopped; what stands below it did not run."
        ) from None
