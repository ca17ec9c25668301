"""How much memory all processes of a sandbox have together."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path


def memory_used(proc: str, enough: int) -> int:
    """Bytes of memory that the processes in a /proc have.

    Args:
        proc: the file system of a sandbox, which shows no others.
        enough: up to here, what several processes share may be counted for each of them, which is
            much quicker.
    """
    try:
        processes = [Path(proc, name) for name in filter(str.isdigit, os.listdir(proc))]  # noqa: PTH208
    except OSError:  # it has ended
        return 0
    used = sum(map(_resident, processes))
    return used if used <= enough else sum(map(_share, processes))


def _resident(process: Path) -> int:
    """The memory of a process, with all that it shares."""
    with suppress(OSError, ValueError, IndexError):  # it has ended
        return int((process / "statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def _share(process: Path) -> int:
    """The memory of a process, and its part of what it shares, if it lets others read that."""
    with suppress(OSError):
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(process)
