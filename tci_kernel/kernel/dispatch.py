"""What a cell asks for, in its order: `%tci` lines, then this process or the session."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tci_kernel.core.errors import AuthenticationFailed, InvalidKey
from tci_kernel.core.lines import local_cell, split
from tci_kernel.core.messages import Event
from tci_kernel.runtime import Request, Service
from tci_kernel.session.direct.sending import Cell


async def run(request: Request, service: Service) -> AsyncIterator[Event]:
    """Run a cell and yield what it produces.

    Raises:
        TCIError: what did not run, or may have run, and what to do.
    """
    try:
        async for event in _run(request, service):
            yield event
    except (AuthenticationFailed, InvalidKey):
        service.client.forget_key()
        raise


async def _run(request: Request, service: Service) -> AsyncIterator[Event]:
    commands, code = split(request.code)
    service.line = None
    if commands:
        from tci_kernel.commands import run as magics  # noqa: PLC0415 - most cells have none

        for words in commands:
            service.line = words
            async for event in magics.run(words, service, request):
                yield event
        service.line = None
    if (local := local_cell(request.code)) is not None:
        ended = await service.local_shell.run(local, request.number, request.show, request.read)
        if ended is not None:
            yield ended
    elif code.strip():
        await service.ensure_key(request)
        interactive = request.ask is not None
        cell = Cell(code, request.hidden, interactive=interactive, number=request.number)
        async for event in service.session.run(cell):
            yield event
