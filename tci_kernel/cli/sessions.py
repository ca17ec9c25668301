"""`tci-kernel sessions`: what the caller has at the service."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import click
from traitlets.config import Config

from tci_kernel.cli.common import as_json, client, print_json
from tci_kernel.client.schema import SessionInfo
from tci_kernel.commands.report import moment, table
from tci_kernel.config import settings
from tci_kernel.session.direct.sending import duration


@click.command(
    epilog="""
\b
Examples:
  tci-kernel sessions
  tci-kernel sessions --json | jq -r '.[].id'
"""
)
@as_json
def sessions(as_json: bool) -> None:
    """List your sessions at the service. Lists only: it starts none."""
    listed = asyncio.run(_sessions(settings.load()))
    if as_json:
        print_json([{**info.to_json(), "expires_in": _left(info)} for info in listed])
        return
    columns = ("Session", "Started", "Last used", "Expires in", "Cells run")
    rows = [
        (
            info.id,
            moment(info.started_at),
            moment(info.last_execute_at),
            "not known" if (left := _left(info)) is None else duration(left),
            str(info.execute_count),
        )
        for info in listed
    ]
    click.echo(table(columns, rows, "There are no sessions.").data["text/plain"])


async def _sessions(config: Config) -> list[SessionInfo]:
    service = await client(config)
    try:
        return await service.sessions()
    finally:
        await service.aclose()


def _left(info: SessionInfo) -> float | None:
    """Seconds until a session expires."""
    if info.expires_at is None:
        return None
    return round((info.expires_at - datetime.now(UTC)).total_seconds(), 1)
