"""What sessions in a Ray cluster take: for cells in many at once, for new ones, and of memory.

All nodes are on this computer and share its cores: what more of them bring can't be seen here, but
what they cost can.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache, partial

import psutil

from benchmarks.server import CODE
from benchmarks.table import Row
from tci_kernel.client.client import TCIClient
from tci_kernel.server import janitor_process
from tests.server.clusters import cluster
from tests.support.servers import ServerProcess, serving

NODES = (1, 2, 3)

# Sessions, so many that one node has room for them with these CPUs for each.
SESSIONS = 6
CPUS = "0.25"

CELLS = 1_200  # in all sessions together

PROCESS = "import os; print(os.getpid())"


@dataclass(frozen=True)
class Figures:
    """What was measured with so many nodes.

    Attributes:
        cells: a second, in all sessions at once.
        starts: a minute, of sessions that are asked for at once.
        actor: megabytes of memory of a session's actor, with its janitor.
        interpreter: megabytes of memory of its interpreter.
    """

    cells: float
    starts: float
    actor: float
    interpreter: float


@cache
def measured(nodes: int) -> Figures:
    """Start a cluster and a server, and measure."""
    with (
        cluster(nodes) as ray,
        serving("--ray", ray.address, "--session-cpus", CPUS) as server,
    ):
        return asyncio.run(_measured(server))


async def _measured(server: ServerProcess) -> Figures:
    async with aclosing(TCIClient(base_url=server.base_url, api_key=server.token)) as client:
        begin = time.perf_counter()
        begun = await asyncio.gather(*(client.execute(CODE) for _ in range(SESSIONS)))
        starts = 60 * SESSIONS / (time.perf_counter() - begin)
        ids = [one.session_id or "" for one in begun]
        begin = time.perf_counter()
        await asyncio.gather(*(_work(client, one) for one in ids))
        cells = CELLS / (time.perf_counter() - begin)
        printed = (await client.execute(PROCESS, ids[0])).outputs[0].data
    interpreter = psutil.Process(int(str(printed)))
    actor = interpreter.parent()
    assert actor is not None
    return Figures(
        cells, starts, _memory(actor) + _memory(_janitor(interpreter)), _memory(interpreter)
    )


async def _work(client: TCIClient, session_id: str) -> None:
    """Run cells in a session, one after another."""
    for _ in range(CELLS // SESSIONS):
        ran = await client.execute(CODE, session_id)
        assert ran.outputs[0].data == "42\n"


def _janitor(interpreter: psutil.Process) -> psutil.Process:
    """The process that tidies up after an interpreter; it is no child of the actor's."""
    root = interpreter.environ()[janitor_process.ROOT_VARIABLE]
    mine = {janitor_process.__file__, root}
    return next(
        one for one in psutil.process_iter(["cmdline"]) if mine <= {*(one.info["cmdline"] or ())}
    )


def _memory(process: psutil.Process) -> float:
    """Megabytes of a process; what it shares with others counts in part (PSS)."""
    return float(process.memory_full_info().pss) / 1e6


def nodes(_server: ServerProcess) -> Iterator[Row]:
    """The rows of clusters. All of one size come from one run."""
    rows = {
        f"{SESSIONS} sessions, {CELLS:,} cells": ("cells", "cells/s"),
        f"{SESSIONS} new sessions at once": ("starts", "sessions/min"),
        "memory of a session's actor": ("actor", "MB"),
        "memory of its interpreter": ("interpreter", "MB"),
    }
    for count in NODES:
        for what, (figure, unit) in rows.items():
            where = f"Ray, {count} {'node' if count == 1 else 'nodes'}"
            yield Row(f"{where}: {what}", partial(_figure, count, figure), unit=unit, rounds=1)


def _figure(nodes: int, name: str) -> float:
    return float(getattr(measured(nodes), name))
