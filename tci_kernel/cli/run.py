"""`tci-kernel run`: a script, or a notebook, at the service."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import aclosing, suppress
from importlib.util import decode_source
from pathlib import Path
from typing import Any

import click
from traitlets.config import Config, Configurable

from tci_kernel.cli import notebook
from tci_kernel.cli.common import CATALOGUE, FAILED, GIVE_A_KEY, INTERRUPTED, OK, advising
from tci_kernel.cli.terminal import Terminal
from tci_kernel.config.settings import Settings
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import Interrupted, MissingKey, SessionExpired, UsageError
from tci_kernel.core.messages import Message
from tci_kernel.remote import loader
from tci_kernel.remote.script import MODULE, ScriptEnded
from tci_kernel.runtime import Runtime
from tci_kernel.session.automatic import Execution

_LEFT = "The service has no way to stop code: it may still run there."

_ADVICE = {
    MissingKey: f"{GIVE_A_KEY}\n'tci-kernel run --local' needs no key.",
    SessionExpired: "Without --session the code runs in a new session.\n"
    "'tci-kernel sessions' lists those that there are.",
}


@click.command(
    # What stands behind the file is the script's.
    context_settings={"allow_interspersed_args": False},
    epilog="""
\b
Examples:
  tci-kernel run analysis.py --days 14 < input.csv
  tci-kernel run --session ses_CVtmHZWnVBdtZnwbZNosk more.py
  tci-kernel run --local -c 'import sys; print(sys.version)'
  echo 'print(6 * 7)' | tci-kernel run --local -
  tci-kernel run --output result.ipynb notebook.ipynb
\b
Without --local or --session it begins a session, which the service bills.
""",
)
@click.argument("file", type=click.Path())
@click.argument("arguments", metavar="[ARG]...", nargs=-1, type=click.UNPROCESSED)
@click.option("-c", "is_code", is_flag=True, help="FILE is no name, but the code itself.")
@click.option("--session", "session_id", metavar="ID", default="", help="A session that exists.")
@click.option("--local", is_flag=True, help="In a local server made for it: no key, no network.")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the executed notebook goes. Default: NAME-executed.ipynb, unless that exists.",
)
@advising(_ADVICE)
def run(
    *,
    file: str,
    arguments: tuple[str, ...],
    is_code: bool,
    session_id: str,
    local: bool,
    output: Path | None,
) -> int:
    """Run a script, standard input (-) or a notebook in a session.

    A script behaves as with 'python FILE ARG...', and ends with its own status; of what it
    displays, the text is printed. One that is named .ipy may have IPython's magics. A notebook,
    .ipynb, takes the package nbclient.
    """
    if local and session_id:
        raise click.UsageError("A local server has no sessions yet: give --session or --local.")
    if file.endswith(".ipynb") and not is_code:
        if arguments:
            raise click.UsageError("A notebook takes no arguments; options stand before it.")
        return notebook.run(Path(file), output, local=local, session_id=session_id)
    if output is not None:
        raise click.UsageError("--output is for notebooks: a script prints, and writes files.")
    code = _script(file, arguments, is_code=is_code, local=local)
    try:
        return asyncio.run(_run(code, CATALOGUE.load(), local, session_id))
    except Interrupted as interrupted:
        left = _LEFT if interrupted.may_have_run else interrupted.fate
        click.echo(f"Interrupted. {left}".rstrip(), err=True)
    except asyncio.CancelledError:
        click.echo("Interrupted.", err=True)
    return INTERRUPTED


def _script(file: str, arguments: tuple[str, ...], *, is_code: bool, local: bool) -> str:
    """The code that runs a script in the session."""
    is_file = not is_code and file != "-"
    return loader.launch_for_user(
        "script",
        MODULE,
        {
            "source": file if is_code else _source(file),
            "argv": ["-c" if is_code else file, *arguments],
            # A session elsewhere has none of the directories that there are here.
            "path": (os.path.abspath if local else os.path.basename)(file) if is_file else "",
            "is_ipython": is_file and file.endswith(".ipy"),
            "is_terminal": sys.stdin.isatty(),
        },
    )


def _source(file: str) -> str:
    """The text of a script, in the encoding that it names as Python's sources do."""
    try:
        with click.open_file(file, "rb") as opened:
            return decode_source(opened.read())
    except OSError as error:
        raise click.FileError(file, error.strerror) from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no text in the encoding that it names: {error}") from error


async def _run(code: str, config: Config, local: bool, session_id: str) -> int:
    terminal = Terminal()
    runtime = Runtime(
        Configurable(config=config),
        local=local,
        session_id=session_id,
        settings=Settings(),
        execution=Execution(config.TCIKernel.get("execution", Execution.AUTO)),
        listener=terminal.show_late,
    )
    status = FAILED
    _stop_on_interrupt(runtime)
    try:
        runtime.session.on_expiry = "error"  # no cells are known that could be run again
        runtime.session.show_progress = False  # what is printed is the script's
        cell = Cell(code, hidden=True, frontend=terminal)
        await runtime.ensure_key(cell)
        async with aclosing(runtime.session.run(cell)) as messages:
            async for message in messages:
                if not _is_end(message):
                    terminal.show(message)
                status = _status(message.content)  # the last one is the reply
    finally:
        await runtime.aclose()
    return status


def _is_end(message: Message) -> bool:
    """Whether a message only tells how the script has ended."""
    return message.type == "error" and message.content["ename"] == ScriptEnded.__name__


def _status(reply: Mapping[str, Any]) -> int:
    """The command's exit status, as Python's would be."""
    if reply.get("ename") == ScriptEnded.__name__:
        said = str(reply.get("evalue"))
        return int(said) & 0xFF if said.isdecimal() else FAILED
    return OK if reply.get("status") == "ok" else FAILED


def _stop_on_interrupt(runtime: Runtime) -> None:
    """Have Ctrl-C stop the code, or whatever comes before it."""
    task = asyncio.current_task()

    def stop() -> None:
        if not runtime.session.interrupt() and task is not None:
            task.cancel()

    with suppress(NotImplementedError):  # on Windows, where Python itself cancels the task
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop)
