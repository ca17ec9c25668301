"""`tci-kernel doctor`: what works here, and what to do about the rest."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from tci_kernel.cli.common import FAILED, OK, as_json, print_json

_COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}


@click.command(
    epilog="""
\b
Examples:
  tci-kernel doctor
  tci-kernel doctor --execute             also run code at the service
  tci-kernel doctor --json | jq '.[] | select(.status == "failed")'
"""
)
@click.option(
    "--execute", is_flag=True, help="Also run code at the service, in a session that it bills."
)
@as_json
def doctor(execute: bool, as_json: bool) -> int:
    """Check all that the kernels need, and say what to do about what fails.

    Ends with 1 if a check failed. Without a key it shows that the kernel tci-local works, by
    running a cell in a server on this computer.
    """
    return asyncio.run(_doctor(execute, as_json))


async def _doctor(execute: bool, as_json: bool) -> int:
    from tci_kernel.cli.checks import Check, Examination  # noqa: PLC0415 - slow to import

    found: list[Check] = []
    async for check in Examination(execute=execute).checks():
        found.append(check)
        if not as_json:
            status = click.style(f"{check.status:7}", fg=_COLOURS[check.status])
            click.echo(f"{status}  {check.name:15}  {check.detail}")
            for line in check.advice.splitlines():
                click.echo(f"{'':7}  {'':15}  {line}")
    if as_json:
        print_json([asdict(check) for check in found])
    return FAILED if any(check.status == "failed" for check in found) else OK
