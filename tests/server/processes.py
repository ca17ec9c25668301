"""Looks at processes from outside."""

from __future__ import annotations

import os
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


def leads_group(pid: int) -> bool:
    """Whether a process leads a group; false of one that is gone."""
    with suppress(ProcessLookupError):
        return os.getpgid(pid) == pid
    return False


def interpreters(server: int) -> set[int]:
    """The interpreters of a server, by their process ids: its children that lead a group of theirs.

    The janitor is none, and neither is what a dead one has left to the server to end.
    """
    pids = set()
    for child in psutil.Process(server).children():
        with suppress(psutil.NoSuchProcess):
            is_janitor = janitor_process.__file__ in child.cmdline()
            if not is_gone(child) and not is_janitor and leads_group(child.pid):
                pids.add(child.pid)
    return pids
