"""`tci-kernel inspect`: what a saved state holds, without loading any of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from tci_kernel.cli.common import as_json, print_json
from tci_kernel.commands.report import facts, table
from tci_kernel.core.messages import Message
from tci_kernel.core.text import moment, size
from tci_kernel.transfer.saved_state import RemakingCell, SavedState, SavedVariable, read


@click.command(
    epilog="""
\b
Examples:
  tci-kernel inspect session.tci
  tci-kernel inspect --json session.tci | jq -r '.variables[].name'
"""
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@as_json
def inspect(path: Path, as_json: bool) -> None:
    """Show what %tci save has saved. Nothing of it is loaded or run."""
    state = read(path)
    if as_json:
        print_json({**asdict(state), "created": state.created.isoformat()})
        return
    for shown in _shown(state):
        click.echo(shown.content["data"]["text/plain"])


def _shown(state: SavedState) -> list[Message]:
    rows = [
        (one.name, one.kind, one.extent, _size(one), ", ".join(one.shares))
        for one in state.variables
    ]
    rows += [(name, f"module {module}", "", "", "") for name, module in state.modules.items()]
    rows += [(name, f"imported {place}", "", "", "") for name, place in state.imported.items()]
    shown = [
        facts(
            [
                ("Saved", moment(state.created)),
                ("Python", state.python),
                (
                    "Installed",
                    ", ".join(f"{n} {v}" for n, v in state.installed.items()) or "nothing",
                ),
                ("Environment", ", ".join(state.environment) or "nothing"),
                ("Files", ", ".join(f"{name} ({size(n)})" for name, n in state.files) or "none"),
            ]
        ),
        table(("Name", "Type", "Extent", "Size", "Together with"), rows, "It has no variables."),
    ]
    if state.cells:
        lines = [line for cell in state.cells for line in _lines(cell)]
        title = f"Runs again when it is loaded (took {state.seconds:.3g} s)"
        shown.append(table(("Cell", title), lines, ""))
    if state.left_out:
        shown.append(table(("Not saved", "Why"), state.left_out, ""))
    return shown


def _size(variable: SavedVariable) -> str:
    return "made again" if variable.is_remade else size(variable.size)


def _lines(cell: RemakingCell) -> list[tuple[str, str]]:
    first, *rest = cell.source.strip("\n").split("\n")
    return [(str(cell.number), first), *(("", line) for line in rest)]
