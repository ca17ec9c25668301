"""Measures everything, prints the table, and writes it into its page: `make bench`."""

from __future__ import annotations

import compileall
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

import tci_kernel
from benchmarks import client, cluster, kernels, live, moving, server, state
from benchmarks.table import table
from tests.support.servers import serving

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

# What stands after it is written by a run.
MARK = "<!-- written by make bench -->\n\n"

PARTS = (
    kernels.starts,
    kernels.cells,
    live.cells,
    live.requests,
    client.cell,
    client.clients,
    client.requests,
    client.assistance,
    server.sessions,
    state.rows,
    moving.rows,
    cluster.nodes,
)

PACKAGES = (
    "ipykernel",
    "ipython",
    "jupyter_client",
    "jupyter_kernel_gateway",
    "pyzmq",
    "ray",
    "httpx",
    "together",
)


def machine() -> str:
    """When and where the numbers were measured, and with what."""
    day = datetime.now(UTC).date().isoformat()
    memory = round(psutil.virtual_memory().total / 1e9)
    python = platform.python_version()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Measured on {day}: {platform.system()} on {platform.machine()}, {os.cpu_count()} cores, "
        f"{memory} GB of memory; Python {python}, {packages}.\n"
    )


def main() -> None:
    """Measure, print each row when it is there, and write the page."""
    # As pip leaves a package that it installs: else each start would compile ours, and no other.
    compileall.compile_dir(tci_kernel.__path__[0], quiet=1)
    head, _, _ = PAGE.read_text().partition(MARK)
    lines = []
    with serving() as service:
        for line in table(row for part in PARTS for row in part(service)):
            print(line, flush=True)
            lines.append(line)
    PAGE.write_text(head + MARK + machine() + "\n" + "\n".join(lines) + "\n")
    print(f"Written to {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
