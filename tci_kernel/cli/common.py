"""What the commands share: how they end, the options that several have, the way to the service."""

from __future__ import annotations

import json

import click
from traitlets.config import Config

from tci_kernel.client import keys
from tci_kernel.client.client import TCIClient

# How a command ends, for scripts. Documented in the help and in docs/command-line.md.
OK = 0
FAILED = 1
USAGE = 2
SERVICE = 3
INTERRUPTED = 130

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def print_json(value: object) -> None:
    """Print something for a program."""
    click.echo(json.dumps(value, indent=2))


async def client(config: Config) -> TCIClient:
    """The way to the service, with the key from the keyring where none is set."""
    made = TCIClient(config=config)
    if not made.api_key:
        made.use_key(await keys.find(made.base_url), keys.KeyOrigin.KEYRING)
    return made
