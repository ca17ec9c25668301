"""`tci-kernel serve`: the local server alone."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import click

from tci_kernel.cli.common import CATALOGUE


class _Finite(click.FloatRange):
    """A number that is no infinity.

    Args:
        name: of the kind of number, for messages.
        min_open: whether it must be above 0; else it may be 0.
    """

    def __init__(self, name: str = "number", *, min_open: bool = False) -> None:
        super().__init__(min=0, min_open=min_open)
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a value; NaN and infinity are floats as well."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


_SECONDS = _Finite("number of seconds", min_open=True)


@click.command(
    epilog="""
\b
Examples:
  tci-kernel serve --port 8321
  TCI_SERVER_TOKEN=secret tci-kernel serve --host 0.0.0.0 --port 8321 --sandbox
  tci-kernel serve --port 8321 --ray auto --max-sessions 1000 --session-cpus 0.25
\b
All options from --session-lifetime on are also settings in tci_kernel_config.py, as
c.LocalServer.session_lifetime and so on; so are a sandbox's limits.
"""
)
@click.option(
    "--host", metavar="H", default="127.0.0.1", show_default=True, help="A name or address."
)
@click.option(
    "--port", metavar="P", type=click.IntRange(0, 65_535), default=0, help="Default: a free one."
)
@click.option(
    "--token",
    default="",
    envvar="TCI_SERVER_TOKEN",
    metavar="T",
    help="What callers must send. The environment variable TCI_SERVER_TOKEN keeps it out of the "
    "list of processes.",
)
@click.option("--session-lifetime", type=_SECONDS, metavar="S", help="Default: an hour.")
@click.option("--max-sessions", type=click.IntRange(1), metavar="N", help="Default: 64.")
@click.option("--kernel-name", metavar="K", help="What runs the code. Default: python3.")
@click.option(
    "--sandbox", is_flag=True, default=None, help="Shut each session in, with bubblewrap (Linux)."
)
@click.option(
    "--sandbox-network",
    is_flag=True,
    default=None,
    help="Let sessions in a sandbox reach the network.",
)
@click.option(
    "--ray",
    metavar="ADDRESS|local",
    help="Run sessions on the nodes of a Ray cluster: at this address, or on one that is started "
    "here. Needs the extra 'ray'.",
)
@click.option(
    "--session-cpus",
    type=_Finite(),
    metavar="N",
    help="CPUs that Ray sets aside for a session. Default: 1.",
)
@click.option(
    "--session-memory",
    type=click.IntRange(0),
    metavar="BYTES",
    help="Memory that Ray sets aside for a session. Default: none.",
)
@click.option(
    "--session-gpus",
    type=_Finite(),
    metavar="N",
    help="GPUs that Ray sets aside for a session. Default: none.",
)
def serve(host: str, port: int, token: str, **options: Any) -> None:
    """Run the local server alone. Its first line on stdout is the base URL."""
    from tci_kernel.server import alone  # noqa: PLC0415 - tornado is slow to import
    from tci_kernel.server.server import LocalServer  # noqa: PLC0415 - as above

    given = {name: value for name, value in options.items() if value is not None}
    made = LocalServer(config=CATALOGUE.load(), **given)
    asyncio.run(alone.serve(made, host=host, port=port, token=token))
