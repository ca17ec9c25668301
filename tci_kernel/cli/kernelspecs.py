"""`tci-kernel install` and `uninstall`: kernelspecs beyond the environment's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tci_kernel.cli.common import as_json, print_json


def _place(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where the kernelspecs are, and how they are named."""
    for option in (
        as_json,
        click.option(
            "--name",
            default="tci",
            metavar="N",
            show_default=True,
            help="The kernel's name; the local one is N-local.",
        ),
        click.option("--prefix", metavar="P", help="In share/jupyter below P."),
        click.option("--sys-prefix", is_flag=True, help="In this Python environment."),
        click.option("--user", is_flag=True, help="In the user's Jupyter directory."),
    ):
        command = option(command)
    return command


def _chosen(*, user: bool, sys_prefix: bool, prefix: str | None) -> dict[str, Any]:
    """The place that is meant, as `config.kernelspecs` takes it."""
    if user + sys_prefix + (prefix is not None) > 1:
        raise click.UsageError("Give one of --user, --sys-prefix and --prefix.")
    return {"user": user, "prefix": sys.prefix if sys_prefix else prefix}


def _report(done: str, paths: list[Path], as_json: bool) -> None:
    if as_json:
        print_json([str(path) for path in paths])
    else:
        for path in paths:
            click.echo(f"{done} {path}")


@click.command(
    epilog="""
\b
Examples:
  tci-kernel install                      where Jupyter itself would put them
  tci-kernel install --user               for every Jupyter of yours
  tci-kernel install --prefix /opt/jupyter
  tci-kernel install --user --name tci-dev --display-name "TCI (dev)"
"""
)
@_place
@click.option("--display-name", metavar="D", help="What a launcher shows.")
def install(
    *,
    user: bool,
    sys_prefix: bool,
    prefix: str | None,
    name: str,
    display_name: str | None,
    as_json: bool,
) -> None:
    """Write the kernelspecs, with this interpreter's absolute path."""
    from tci_kernel.config import kernelspecs  # noqa: PLC0415 - jupyter_client is slow to import

    place = _chosen(user=user, sys_prefix=sys_prefix, prefix=prefix)
    paths = kernelspecs.install(**place, name=name, display_name=display_name)
    _report("Installed", paths, as_json)


@click.command(
    epilog="""
\b
Example:
  tci-kernel uninstall --user --name tci-dev
"""
)
@_place
def uninstall(
    *, user: bool, sys_prefix: bool, prefix: str | None, name: str, as_json: bool
) -> None:
    """Remove what install wrote in the same place."""
    from tci_kernel.config import kernelspecs  # noqa: PLC0415

    place = _chosen(user=user, sys_prefix=sys_prefix, prefix=prefix)
    _report("Removed", kernelspecs.uninstall(**place, name=name), as_json)
