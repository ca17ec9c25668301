"""`tci-kernel login` and `logout`: the API key in the operating system's keyring."""

from __future__ import annotations

import asyncio
import os
import sys

import click
from traitlets.config import Config

from tci_kernel.cli.common import CATALOGUE
from tci_kernel.client import keys
from tci_kernel.client.client import TCIClient
from tci_kernel.core.addresses import without_credentials
from tci_kernel.core.errors import AuthenticationFailed, ConfigurationError, TCIError
from tci_kernel.core.text import wrapped


@click.command(
    epilog="""
\b
Examples:
  tci-kernel login
  pass show together | tci-kernel login
\b
The service's address is part of what is stored.
With another TOGETHER_BASE_URL, log in again.
"""
)
def login() -> None:
    """Keep your API key in the operating system's keyring.

    It is asked for without echo, or read from standard input if that is no terminal, and tried
    at the service first. Needs the package keyring.
    """
    config = CATALOGUE.load()
    keyring = keys.name()
    key = _read()
    if not key:
        raise click.UsageError("No key was given; nothing is stored.")
    client = TCIClient(config=config, api_key=key)
    asyncio.run(_try(client))
    keys.store(client.base_url, client.api_key)
    click.echo(f"The key for {client.address} is now in the keyring ({keyring}).")
    if place := _elsewhere(config):
        click.echo(f"The key in {place} is used before it: remove that.", err=True)


def _read() -> str:
    if sys.stdin.isatty():
        key = click.prompt("Together API key", hide_input=True)
    else:
        key = sys.stdin.readline()
    return str(key).strip()


async def _try(client: TCIClient) -> None:
    """List the sessions with a key. Only a refusal of the key keeps it from being stored.

    Raises:
        ConfigurationError: it is no key at all.
        AuthenticationFailed: the service does not know it.
    """
    try:
        await client.sessions()
    except (ConfigurationError, AuthenticationFailed):
        raise
    except TCIError as error:
        said = f"The key could not be tried, and is stored all the same: {error.what}"
        click.echo(wrapped(said), err=True)
    finally:
        await client.aclose()


@click.command(
    epilog="""
\b
Example:
  tci-kernel logout
"""
)
def logout() -> None:
    """Remove your API key from the operating system's keyring."""
    config = CATALOGUE.load()
    base_url = TCIClient(config=config).base_url
    left = _elsewhere(config)
    still = f"A key is still in {left}, and is used: remove it there." if left else ""
    try:
        done = "removed from" if keys.forget(base_url) else "not in"
    except ConfigurationError as error:
        error.fate, error.advice = "No key was removed.", still
        raise
    click.echo(
        f"The key for {without_credentials(base_url)} is {done} the keyring ({keys.name()})."
    )
    if still:
        click.echo(still, err=True)


def _elsewhere(config: Config) -> str:
    """Where a key is set that is used before the keyring's; empty if nowhere."""
    if "TCIClient.api_key" in config:
        return "tci_kernel_config.py"
    is_in_environment = bool(os.environ.get("TOGETHER_API_KEY"))
    return "the environment variable TOGETHER_API_KEY" if is_in_environment else ""
