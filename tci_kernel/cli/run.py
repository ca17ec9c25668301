"""`tci-kernel run`: a script at the service."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from importlib.util import decode_source
from typing import Any, BinaryIO

import click
from traitlets.config import Config, Configurable

from tci_kernel.cli.common import FAILED, INTERRUPTED, OK
from tci_kernel.config import settings
from tci_kernel.core.errors import UsageError
from tci_kernel.core.messages import Display, Event, Failure, Result, Stream, failure_after
from tci_kernel.runtime import Request, Service
from tci_kernel.session.direct.sending import Cell


@click.command(
    epilog="""
\b
Examples:
  tci-kernel run analysis.py
  tci-kernel run --session ses_CVtmHZWnVBdtZnwbZNosk more.py
  echo 'print(6 * 7)' | tci-kernel run --local -
\b
Without --local or --session it begins a session, which the service bills.
"""
)
@click.argument("file", type=click.File("rb"))
@click.option("--session", "session_id", metavar="ID", default="", help="A session that exists.")
@click.option("--local", is_flag=True, help="In a local server made for it: no key, no network.")
def run(file: BinaryIO, session_id: str, local: bool) -> int:
    """Run a Python script, or standard input (-), at the service.

    What it prints and shows goes to stdout, images and such by their text; its errors go to stderr.
    """
    if local and session_id:
        raise click.UsageError("A local server has no sessions yet: give --session or --local.")
    try:
        return asyncio.run(_run(_code(file), settings.load(), local, session_id))
    except KeyboardInterrupt:
        left = "" if local else " The service has no way to stop code: it may still run there."
        click.echo(f"Interrupted.{left}", err=True)
        return INTERRUPTED


def _code(file: BinaryIO) -> str:
    """The script, in the encoding that it names as Python's sources do."""
    try:
        return decode_source(file.read())
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file.name} is no text in the encoding that it names: {error}"
        ) from error


async def _run(code: str, config: Config, local: bool, session_id: str) -> int:
    service = Service(Configurable(config=config), local=local, session_id=session_id)
    failure: Failure | None = None
    try:
        service.session.on_expiry = "error"  # no cells are known that could be run again
        await service.ensure_key(Request(code))
        async for event in service.session.run(Cell(code)):
            _show(event)
            failure = failure_after(failure, event)
    finally:
        await service.aclose()
    return OK if failure is None else FAILED


def _show(event: Event) -> None:
    """Print what a terminal can show of an event."""
    match event:
        case Stream(name, text):
            stream = sys.stderr if name == "stderr" else sys.stdout
            stream.write(text)
            stream.flush()
        case Display(data=data, update=False) | Result(data=data):
            click.echo(_text(data))
        case Failure(traceback=lines):
            # Unlike what the code itself printed, this loses its colours where no terminal is.
            click.echo("\n".join(lines), err=True)


def _text(data: Mapping[str, Any]) -> str:
    return str(data.get("text/plain", f"<{', '.join(data)}>"))
