"""Looks at processes from outside."""

from __future__ import annotations

import psutil


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
