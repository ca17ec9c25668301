"""`tci-kernel doctor`: what works here, and what to do about the rest."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tci_kernel.cli.common import FAILED, OK, as_json, print_json
from tci_kernel.core.text import WIDTH

if TYPE_CHECKING:
    from tci_kernel.cli.checks import Check

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
    """Check what the kernels need, and say how to mend what fails.

    Ends with 1 if a check failed. Without a key it shows that the kernel tci-local works, by
    running a cell in a server on this computer.
    """
    return asyncio.run(_doctor(execute, as_json))


async def _doctor(execute: bool, as_json: bool) -> int:
    from tci_kernel.cli.checks import Examination  # noqa: PLC0415 - slow to import

    found: list[Check] = []
    async for check in Examination(execute=execute).checks():
        found.append(check)
        if not as_json:
            _show(check)
    if as_json:
        print_json([asdict(check) for check in found])
    return FAILED if any(check.status == "failed" for check in found) else OK


def _show(check: Check) -> None:
    """Print a check, in lines that a terminal has room for."""
    head = f"{check.status:7}  {check.name:15}  "
    lines = _lines(f"{check.detail}\n{check.advice}".rstrip(), WIDTH - len(head))
    colour = _COLOURS[check.status]
    click.echo(click.style(head[:7], fg=colour) + head[7:] + next(lines, ""))
    for line in lines:
        click.echo(" " * len(head) + line)


def _lines(text: str, width: int) -> Iterator[str]:
    """A text in lines. What is indented is a command to be copied, and stays whole."""
    for line in text.splitlines():
        if line.startswith(" "):
            yield line
        else:
            yield from textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)
