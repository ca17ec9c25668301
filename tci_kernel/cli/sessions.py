"""`tci-kernel sessions`: what the caller has at the service."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import click
from traitlets.config import Config

from tci_kernel.cli.common import CATALOGUE, GIVE_A_KEY, advising, as_json, client, print_json
from tci_kernel.client.schema import SessionInfo
from tci_kernel.commands.report import table
from tci_kernel.core.errors import MissingKey
from tci_kernel.core.text import duration

_NOT_KNOWN = "not known"


@click.command(
    epilog="""
\b
Examples:
  tci-kernel sessions
  tci-kernel sessions --json | jq -r '.[].id'
"""
)
@as_json
@advising({MissingKey: GIVE_A_KEY})
def sessions(as_json: bool) -> None:
    """List your sessions at the service. Lists only: it starts none."""
    listed = asyncio.run(_sessions(CATALOGUE.load()))
    if as_json:
        print_json([{**info.to_json(), "expires_in": _left(info)} for info in listed])
        return
    columns = ("Session", "Started", "Last used", "Expires in", "Cells run")
    rows = [
        (
            info.id,
            _ago(info.started_at),
            _ago(info.last_execute_at),
            _NOT_KNOWN if (left := _left(info)) is None else duration(max(left, 0)),
            str(info.execute_count),
        )
        for info in listed
    ]
    shown = table(columns, rows, "There are no sessions.")
    click.echo(shown.content["data"]["text/plain"])


async def _sessions(config: Config) -> list[SessionInfo]:
    service = await client(config)
    try:
        return await service.sessions()
    finally:
        await service.aclose()


def _ago(time: datetime | None) -> str:
    """How long ago something was. A terminal has no room for the time itself; --json has it."""
    if time is None:
        return _NOT_KNOWN
    return f"{duration(max((datetime.now(UTC) - time).total_seconds(), 0))} ago"


def _left(info: SessionInfo) -> float | None:
    """Seconds until a session expires."""
    if info.expires_at is None:
        return None
    return round((info.expires_at - datetime.now(UTC)).total_seconds(), 1)
