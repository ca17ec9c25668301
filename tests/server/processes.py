"""Looks at processes from outside."""

from __future__ import annotations

from contextlib import suppress

import psutil

from tci_kernel.server import janitor_process


def below(pid: int) -> list[psutil.Process]:
    """A process, and all that descend from it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended; a zombie only waits for somebody to take note."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def interpreters(server: int) -> set[int]:
    """The interpreters of a server, by their process ids: its children but the janitor."""
    pids = set()
    for child in psutil.Process(server).children():
        with suppress(psutil.NoSuchProcess):
            if not is_gone(child) and janitor_process.__file__ not in child.cmdline():
                pids.add(child.pid)
    return pids
