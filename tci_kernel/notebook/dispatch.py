"""What a cell asks for, in its order: `%tci` lines, then this process or the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import AuthenticationFailed, Interrupted, InvalidKey
from tci_kernel.core.lines import local_cell
from tci_kernel.core.messages import Message, reply
from tci_kernel.notebook.hints import explained
from tci_kernel.notebook.parsing import parsed
from tci_kernel.notebook.steps import Code, Command, steps
from tci_kernel.runtime import Runtime

if TYPE_CHECKING:
    from tci_kernel.transfer.sync import Sync


async def run(cell: Cell, runtime: Runtime, sync: Sync | None = None) -> AsyncGenerator[Message]:
    """Run a cell as the user wrote it, and yield what it produces, its reply last.

    Args:
        cell: the cell.
        runtime: what it runs in.
        sync: what is known of the files that code names, if they are to be sent.

    Raises:
        TCIError: what did not run, or may have run, and what to do.
    """
    parts = steps(cell.code)
    last = max((at for at, step in enumerate(parts) if isinstance(step, Code)), default=-1)
    ended = reply(cell.number)
    try:
        for at, step in enumerate(parts):
            part = replace(cell, is_part=True, user_expressions={}) if at < last else cell
            async with aclosing(_step(step, part, runtime, sync)) as messages:
                async for message in messages:
                    if message.type == "execute_reply":
                        ended = _joined(ended, message)
                    else:
                        yield explained(message)
            if ended.content["status"] != "ok":
                break
        yield explained(ended)
    except (AuthenticationFailed, InvalidKey):
        runtime.client.forget_key()
        raise


async def _step(
    step: Command | Code, cell: Cell, runtime: Runtime, sync: Sync | None
) -> AsyncGenerator[Message]:
    """Run a step of a cell: a command; or code, in this process or the session."""
    if isinstance(step, Command):
        produced = _command(step.words, cell, runtime)
    else:
        produced = _code(replace(cell, code=step.text), runtime, sync)
    async with aclosing(produced) as messages:
        async for message in messages:
            yield message


async def _code(cell: Cell, runtime: Runtime, sync: Sync | None) -> AsyncGenerator[Message]:
    if (local := local_cell(cell.code)) is not None:
        yield await runtime.local_shell.run(local, cell)
    elif cell.code.strip() or cell.user_expressions:
        await _ensure_key(cell, runtime)
        if sync is not None and not cell.hidden:
            async with aclosing(_send_named(cell, runtime, sync)) as messages:
                async for message in messages:
                    yield message
        async with aclosing(runtime.session.run(cell)) as messages:
            async for message in messages:
                if cell.is_part and message.type == "execute_reply":
                    content = {**message.content, "execution_count": cell.number}
                    message = replace(message, content=content)  # noqa: PLW2901
                yield message


async def _send_named(cell: Cell, runtime: Runtime, sync: Sync) -> AsyncGenerator[Message]:
    """Send the files that code names."""
    from tci_kernel.commands.group import Invocation  # noqa: PLC0415 - off by default
    from tci_kernel.commands.sync import send_named  # noqa: PLC0415

    try:
        named = send_named(parsed(cell.code), sync, Invocation(runtime, cell))
        async with aclosing(named) as messages:
            async for message in messages:
                yield message
    except (asyncio.CancelledError, Interrupted):
        raise Interrupted("the sending of files was stopped; the code did not run.") from None


def _joined(before: Message, after: Message) -> Message:
    """The reply of a cell, of those of two of its parts."""
    payload = [*before.content["payload"], *after.content.get("payload", ())]
    return replace(after, content={**after.content, "payload": payload})


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
