"""What may stand behind `%%tci`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from tci_kernel.commands.parameters import LOCAL_VARIABLE, REMOTE_VARIABLE
from tci_kernel.commands.run import called
from tci_kernel.core.text import WIDTH
from tci_kernel.transfer.variables import check_names


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a `%%tci` line says.

    Attributes:
        local: whether the notebook's cells run on this computer.
        session_id: the session in which they run; empty where nothing is said.
        push: the variables that are copied into the session before the code runs.
        pull: the variables that are copied from it after the code has succeeded.
    """

    local: bool = False
    session_id: str = ""
    push: Sequence[str] = ()
    pull: Sequence[str] = ()


@click.command("%%tci", context_settings={"terminal_width": WIDTH})
@click.option(
    "--local", is_flag=True, help="In a server on this computer, of this notebook: no key needed."
)
@click.option("--session", metavar="ID", default="", help="In a session that exists.")
@click.option(
    "--push",
    metavar="NAME",
    multiple=True,
    type=LOCAL_VARIABLE,
    help="Copy this variable into the session first; may come several times.",
)
@click.option(
    "--pull",
    metavar="NAME",
    multiple=True,
    type=REMOTE_VARIABLE,
    help="Copy this variable from the session afterwards; may come several times.",
)
def tci_cell(local: bool, session: str, push: Sequence[str], pull: Sequence[str]) -> Arguments:
    """Run the cell in the notebook's session, which the first cell begins.

    --local and --session stay in force for the cells and the %tci lines that follow.
    '%tci help' lists what lines there are.
    """
    return Arguments(local, session, check_names(push), check_names(pull))


def read(line: str) -> tuple[Arguments | None, str]:
    """What a line says, or None if it asks for help; and the help.

    Raises:
        UsageError: it can't be understood.
    """
    given, printed = called(tci_cell, line)
    return given if isinstance(given, Arguments) else None, printed
