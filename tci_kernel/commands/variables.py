"""`%tci push` and `pull`: variables, by value, between this computer and the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import click

from tci_kernel.commands.group import Invocation, Messages, command
from tci_kernel.commands.parameters import LOCAL_VARIABLE, REMOTE_VARIABLE
from tci_kernel.commands.progress import watched
from tci_kernel.commands.report import table, titled
from tci_kernel.core.errors import VariableError
from tci_kernel.core.messages import Message
from tci_kernel.core.text import size
from tci_kernel.transfer.transfer import Transfer
from tci_kernel.transfer.variables import Pull, Push, check_names

# What has a length.
_CONTAINERS = (list, tuple, dict, set, frozenset, str, bytes)


@command("push")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=LOCAL_VARIABLE)
async def push(invocation: Invocation, names: Sequence[str]) -> Messages:
    """Copy variables of this computer into the session, by value.

    They are those of the %%local cells; in a notebook that has %%tci cells, the notebook's own.
    """
    names = check_names(names)
    namespace = invocation.runtime.local_names.namespace
    transfer = Push(await invocation.session(), names, namespace)
    report = partial(_report, transfer, "Pushed", namespace)
    async with aclosing(watched(transfer, invocation.notice(), "Pushing", report)) as messages:
        async for shown in messages:
            yield shown


@command("pull")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=REMOTE_VARIABLE)
async def pull(invocation: Invocation, names: Sequence[str]) -> Messages:
    """Copy variables of the session to this computer, by value.

    They go to the %%local cells; in a notebook that has %%tci cells, to the notebook itself.
    """
    names = check_names(names)
    session = await invocation.session()
    session.raise_expired()
    if not session.takes_hidden_cells:
        raise VariableError("There is no session yet, and so there are no variables in it.")
    namespace = invocation.runtime.local_names.namespace
    transfer = Pull(session, names, namespace)
    report = partial(_report, transfer, "Pulled", namespace)
    async with aclosing(watched(transfer, invocation.notice(), "Pulling", report)) as messages:
        async for shown in messages:
            yield shown


def _report(transfer: Transfer, verb: str, namespace: Mapping[str, Any], seconds: float) -> Message:
    """What has been moved: in a line, and in a table."""
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
