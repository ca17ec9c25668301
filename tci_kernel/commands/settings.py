"""`%tci config` and `%tci help`: what is in force, and what there is."""

from __future__ import annotations

import click

from tci_kernel.commands.group import Context, Events, command, tci
from tci_kernel.commands.report import table
from tci_kernel.config import settings


@command("config")
async def config(context: Context) -> Events:
    """Show the settings in force, and where each comes from. Of secrets only whether they are."""
    rows = [
        (setting.name, *(_embedded(setting.name, context) or (str(setting.value), setting.source)))
        for setting in settings.in_force(context.service.layers)
    ]
    yield table(("Setting", "Value", "From"), rows, "There are no settings.")


def _embedded(name: str, context: Context) -> tuple[str, str] | None:
    """What is in force in place of a setting where the service is embedded, and why."""
    if not context.service.local:
        return None
    values = {"TCIClient.base_url": context.service.client.base_url, "TCIClient.api_key": "set"}
    return (values[name], "TCIKernel.local") if name in values else None


@command("help")
async def show_help(_context: Context) -> Events:
    """List the commands; '%tci COMMAND --help' has the details of one."""
    rows = [
        (_usage(name, made), made.get_short_help_str(100)) for name, made in tci.commands.items()
    ]
    rows.append(("%%local", "Run a cell in a Python of this computer's, in the kernel's process."))
    yield table(("Command", "Does"), sorted(rows), "There are no commands.")


def _usage(name: str, made: click.Command) -> str:
    """How a command is called, as its own help has it."""
    pieces = made.collect_usage_pieces(click.Context(made))
    return " ".join([f"%tci {name}", *(piece for piece in pieces if piece != "[OPTIONS]")])
