"""`%tci config` and `%tci help`: what is in force, and what there is."""

from __future__ import annotations

import click

from tci_kernel.commands.group import Invocation, Messages, command, help_of, tci
from tci_kernel.commands.report import table
from tci_kernel.core.errors import UsageError
from tci_kernel.core.messages import stream


@command("config")
async def config(invocation: Invocation) -> Messages:
    """Show the settings in force, and where each comes from. Of secrets only whether they are."""
    embedded = _embedded(invocation)
    rows = [
        (setting.name, *embedded.get(setting.name, (str(setting.value), setting.source)))
        for setting in invocation.runtime.settings.in_force()
    ]
    yield table(("Setting", "Value", "From"), rows, "There are no settings.")


def _embedded(invocation: Invocation) -> dict[str, tuple[str, str]]:
    """What is in force in place of settings where the server is embedded, and why."""
    if not invocation.runtime.local:
        return {}
    values = {"TCIClient.base_url": invocation.runtime.client.address, "TCIClient.api_key": "set"}
    return {name: (value, "TCIKernel.local") for name, value in values.items()}


def _commands(_context: click.Context, _param: click.Parameter, typed: str) -> list[str]:
    """The commands whose names begin so."""
    return [name for name in sorted(tci.commands) if name.startswith(typed)]


@command("help")
@click.argument("name", metavar="[COMMAND]", default="", shell_complete=_commands)
async def show_help(_invocation: Invocation, name: str) -> Messages:
    """List the commands, or say what one of them does, as '%tci COMMAND --help' does."""
    if name:
        text = help_of(name)
        if text is None:
            raise UsageError(f"No such command {name!r}.", advice="'%tci help' lists them.")
        yield stream("stdout", f"{text}\n")
        return
    rows = [
        (_usage(name, made), made.get_short_help_str(100)) for name, made in tci.commands.items()
    ]
    rows.append(("%%local", "Run a cell in a Python of this computer's, in the kernel's process."))
    yield table(("Command", "Does"), sorted(rows), "There are no commands.")


def _usage(name: str, made: click.Command) -> str:
    """How a command is called, as its own help has it."""
    pieces = made.collect_usage_pieces(click.Context(made))
    return " ".join([f"%tci {name}", *(piece for piece in pieces if piece != "[OPTIONS]")])
