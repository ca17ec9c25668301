"""`%tci push` and `pull`: variables, by value, between `%%local` cells and the session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import click

from tci_kernel.commands.group import Context, Events, command
from tci_kernel.commands.parameters import LOCAL_VARIABLE, REMOTE_VARIABLE
from tci_kernel.commands.progress import watched
from tci_kernel.commands.report import size, table, titled
from tci_kernel.core.errors import VariableError
from tci_kernel.core.messages import Display
from tci_kernel.transfer.transfer import Transfer
from tci_kernel.transfer.variables import Pull, Push, check_names, written

# What has a length.
_CONTAINERS = (list, tuple, dict, set, frozenset, str, bytes)


@command("push")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=LOCAL_VARIABLE)
async def push(context: Context, names: Sequence[str]) -> Events:
    """Copy variables of the %%local cells into the session, by value."""
    names = check_names(names)
    namespace = context.service.local_shell.namespace
    data = await asyncio.to_thread(written, names, namespace)
    transfer = Push(await context.session(), data)
    async for event in _moved(transfer, context, ("Pushing", "Pushed")):
        yield event


@command("pull")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=REMOTE_VARIABLE)
async def pull(context: Context, names: Sequence[str]) -> Events:
    """Copy variables of the session to the %%local cells, by value."""
    names = check_names(names)
    session = await context.session()
    session.tell()
    if not session.takes_hidden_cells:
        raise VariableError("There is no session yet, and so there are no variables in it.")
    transfer = Pull(session, names, context.service.local_shell.namespace)
    async for event in _moved(transfer, context, ("Pulling", "Pulled")):
        yield event


async def _moved(transfer: Transfer, context: Context, words: tuple[str, str]) -> Events:
    start = time.perf_counter()
    notice = context.notice()
    async for event in watched(transfer, notice, words[0]):
        yield event
    seconds = time.perf_counter() - start
    for event in notice.replace(_report(transfer, context, words[1], seconds)):
        yield event


def _report(transfer: Transfer, context: Context, verb: str, seconds: float) -> Display:
    """What has been moved: in a line, and in a table."""
    namespace = context.service.local_shell.namespace
    rows = [
        (name, _described(namespace[name]), size(count)) for name, count in transfer.sizes.items()
    ]
    what = rows[0][0] if len(rows) == 1 else f"{len(rows)} variables"
    title = f"{verb} {what} ({size(transfer.done)}) in {seconds:.1f} s."
    return titled(title, table(("Name", "Type", "Size"), rows, ""))


def _described(value: Any) -> str:
    """A value's type, and how much there is of it."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    name = kind.__qualname__ if library == "builtins" else f"{library} {kind.__qualname__}"
    if kind in _CONTAINERS:
        return f"{name} of {len(value)}"
    shape = " x ".join(str(length) for length in getattr(value, "shape", ()))
    dtype = f", {value.dtype}" if library == "numpy" else ""
    return name + dtype + (f", {shape}" if shape else "")
