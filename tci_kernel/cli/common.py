"""What the commands share: how they end, the options that several have, the way to the service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click
from traitlets.config import Config

from tci_kernel.client import keys
from tci_kernel.client.client import TCIClient
from tci_kernel.core.errors import TCIError
from tci_kernel.kernel import configuration

# How a command ends, for scripts. Documented in the help and in docs/command-line.md.
OK = 0
FAILED = 1
USAGE = 2
SERVICE = 3
INTERRUPTED = 130

# What to do where there is no key, for every command that asks the service.
GIVE_A_KEY = "Run 'tci-kernel login', or set the environment variable TOGETHER_API_KEY."

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


# What can be set.
CATALOGUE = configuration.CATALOGUE


@contextmanager
def advising(advice: Mapping[type[TCIError], str]) -> Iterator[None]:
    """Have errors advise who sits at a command line, and not who reads a notebook.

    Args:
        advice: what to do, by the error's class.
    """
    try:
        yield
    except TCIError as error:
        error.advice = advice.get(type(error), error.advice)
        raise


def print_json(value: object) -> None:
    """Print something for a program."""
    click.echo(json.dumps(value, indent=2))


async def client(config: Config) -> TCIClient:
    """The way to the service, with the key from the keyring where none is set."""
    made = TCIClient(config=config)
    if not made.api_key:
        made.use_key(await keys.find(made.base_url), keys.KeyOrigin.KEYRING)
    return made
