"""Sends the files that a cell's code names, before it runs: `TCIKernel.sync`."""

from __future__ import annotations

import ast
from contextlib import aclosing
from functools import partial

from tci_kernel.commands.files import report
from tci_kernel.commands.group import Invocation, Messages
from tci_kernel.commands.progress import watched
from tci_kernel.core.messages import stream
from tci_kernel.transfer.sync import Sync
from tci_kernel.transfer.upload import Upload


async def send_named(tree: ast.Module, sync: Sync, invocation: Invocation) -> Messages:
    """Send the files that code names and the session lacks, as visibly as `%tci upload`.

    Args:
        tree: the code.
        sync: what is known of files.
        invocation: the cell, and what it runs in.

    Raises:
        TCIError: they can't be sent; the code has not run.
    """
    session = invocation.runtime.session
    plan = await sync.plan(tree, session)
    if plan.remarks:
        yield stream("stderr", "".join(f"{line}\n" for line in plan.remarks))
    if not plan.files:
        return
    transfer = Upload(session, plan.sources)
    told = partial(report, transfer, "Uploaded", ".")
    async with aclosing(watched(transfer, invocation.notice(), "Uploading", told)) as messages:
        async for shown in messages:
            yield shown
    await sync.note_sent(plan, session)
