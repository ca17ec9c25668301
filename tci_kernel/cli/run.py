"""`tci-kernel run`: a script at the service."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import aclosing, suppress
from importlib.util import decode_source
from typing import Any, BinaryIO

import click
from traitlets.config import Config, Configurable

from tci_kernel.cli.common import CATALOGUE, FAILED, GIVE_A_KEY, INTERRUPTED, OK, advising
from tci_kernel.config.settings import Settings
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import Interrupted, MissingKey, SessionExpired, UsageError
from tci_kernel.core.messages import Message
from tci_kernel.runtime import Runtime
from tci_kernel.session.automatic import Execution

_LEFT = "The service has no way to stop code: it may still run there."

_ADVICE = {
    MissingKey: f"{GIVE_A_KEY}\n'tci-kernel run --local' needs no key.",
    SessionExpired: "Without --session the code runs in a new session.\n"
    "'tci-kernel sessions' lists those that there are.",
}


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
@advising(_ADVICE)
def run(file: BinaryIO, session_id: str, local: bool) -> int:
    """Run a Python script, or standard input (-), at the service.

    What it prints and shows goes to stdout, images and such by their text; its errors go to stderr.
    """
    if local and session_id:
        raise click.UsageError("A local server has no sessions yet: give --session or --local.")
    try:
        return asyncio.run(_run(_code(file), CATALOGUE.load(), local, session_id))
    except Interrupted as interrupted:
        left = _LEFT if interrupted.may_have_run else interrupted.fate
        click.echo(f"Interrupted. {left}".rstrip(), err=True)
    except asyncio.CancelledError:
        click.echo("Interrupted.", err=True)
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
    runtime = Runtime(
        Configurable(config=config),
        local=local,
        session_id=session_id,
        settings=Settings(),
        execution=Execution(config.TCIKernel.get("execution", Execution.AUTO)),
        listener=_listen,
    )
    status = FAILED
    _stop_on_interrupt(runtime)
    try:
        runtime.session.on_expiry = "error"  # no cells are known that could be run again
        cell = Cell(code)
        await runtime.ensure_key(cell)
        async with aclosing(runtime.session.run(cell)) as messages:
            async for message in messages:
                _show(message)
                status = _status(message.content)  # the last one is the reply
    finally:
        await runtime.aclose()
    return status


def _status(reply: Mapping[str, Any]) -> int:
    """The command's exit status, as Python's would be."""
    if reply.get("ename") == KeyboardInterrupt.__name__:
        return INTERRUPTED
    return OK if reply.get("status") == "ok" else FAILED


def _stop_on_interrupt(runtime: Runtime) -> None:
    """Have Ctrl-C stop the code, or whatever comes before it."""
    task = asyncio.current_task()

    def stop() -> None:
        if not runtime.session.interrupt() and task is not None:
            task.cancel()

    with suppress(NotImplementedError):  # on Windows, where Python itself cancels the task
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop)


async def _listen(message: Message) -> None:
    _show(message)


def _show(message: Message) -> None:
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


def _text(data: Mapping[str, Any]) -> str:
    return str(data.get("text/plain", f"<{', '.join(data)}>"))
