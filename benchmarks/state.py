"""What it takes to save a session's variables and to load them, within the session."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.process import IPYKERNEL, KernelProcess, started
from benchmarks.table import Row
from tci_kernel.remote import loader
from tci_kernel.remote.state_file import STAGED
from tci_kernel.transfer.state import cloudpickle_source
from tests.support.servers import ServerProcess

# 500 MB in 300 variables: arrays, tables, records and texts.
VARIABLES = """
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
for i in range(100): globals()['a%d' % i] = rng.random(300_000)
for i in range(80):
    globals()['t%d' % i] = pd.DataFrame({c: rng.random(100_000) for c in 'wxyz'})
for i in range(40): globals()['r%d' % i] = [{'k': j, 'v': str(j)} for j in range(3_000)]
for i in range(80): globals()['s%d' % i] = 'text' * 1_000
"""

# One percent of the numbers in the tables, in one piece.
CHANGE = "t0.loc[:] = t0.values + 1"

ROUNDS = 3


def rows(_server: ServerProcess) -> Iterator[Row]:
    """The rows of saving, saving again and loading."""
    with started(IPYKERNEL) as session, started(IPYKERNEL) as other:
        session.run(VARIABLES)
        other.run("import pandas")
        before = session.peak
        path = _saved(session, "bench", [])
        yield Row(
            "memory to save 500 MB", lambda: session.peak - before, goal=500, unit="MB", rounds=1
        )
        with zipfile.ZipFile(path) as archive:
            known = archive.namelist()
        save = partial(_saving, session)
        yield Row("saving 500 MB in 300 variables", lambda: save([]), goal=3, rounds=ROUNDS)
        yield Row("loading them", lambda: _loading(other, path), goal=1, rounds=ROUNDS)
        session.run(CHANGE)
        yield Row("saving again, 1 % changed", lambda: save(known), rounds=ROUNDS)
        again = _saved(session, "again", known)
        size = again.stat().st_size / 1e6
        yield Row("what travels then", lambda: size, unit="MB", rounds=1)
        for file in (path, again):
            file.unlink()


def _staged(token: str) -> Path:
    return Path(tempfile.gettempdir(), STAGED + token)


def _saved(session: KernelProcess, token: str, known: list[str]) -> Path:
    """Where a session's state lies, which is made."""
    with suppress(FileNotFoundError):
        _staged(token).unlink()
    _save(session, token, known)
    return _staged(token)


def _save(session: KernelProcess, token: str, known: list[str]) -> float:
    arguments: dict[str, Any] = {"token": token, "paths": [], "directories": [], "known": known}
    arguments |= {"operation": "save", "reruns": False, "cloudpickle": cloudpickle_source()}
    return session.run(loader.program("saving", arguments))


def _saving(session: KernelProcess, known: list[str]) -> float:
    """Seconds for a save, whose file is removed."""
    seconds = _save(session, "timed", known)
    _staged("timed").unlink()
    return seconds


def _loading(session: KernelProcess, path: Path) -> float:
    """Seconds for a load."""
    arguments = {"operation": "load", "path": str(path), "cloudpickle": cloudpickle_source()}
    return session.run(loader.program("loading", arguments))
