"""Servers whose sessions are shut in, started as root and as an ordinary user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

import tci_kernel
from tests.server.processes import below
from tests.server.service import Service
from tests.support.programs import needed
from tests.support.servers import ServerProcess, serving
from tests.support.waiting import PATIENCE

# Somebody who owns nothing.
UID = 61_000

# The Python that runs the tests, its packages, and the one that is tested.
PLACES = (sys.base_prefix, sys.prefix, str(Path(tci_kernel.__file__).parents[1]))


def as_user(*, root: bool) -> list[str]:
    """The command that runs another as root, or as an ordinary user, on the same files.

    Only root can become an ordinary user. This one sees the Python and the package that are tested
    also where they are in a directory that others may not enter, such as root's home.
    """
    if root or os.geteuid() != 0:
        return []
    view = ["--bind", "/", "/", "--dev-bind", "/dev", "/dev", *_opened(*map(Path, PLACES))]
    rights = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]
    return [needed("bwrap"), *view, *rights, "--", *user]


def _opened(*places: Path) -> list[str]:
    """The arguments by which everybody may enter these places, and sees nothing beside them."""
    closed = {place: _closed_parent(place) for place in places}
    arguments = []
    for path in sorted({str(parent) for parent in closed.values() if parent}):
        arguments += ["--perms", "0755", "--tmpfs", path]
    for place, parent in closed.items():
        if parent is not None:
            for between in reversed(place.relative_to(parent).parents):
                arguments += ["--perms", "0755", "--dir", str(parent / between)]
            arguments += ["--ro-bind", str(place), str(place)]
    return arguments


def _closed_parent(place: Path) -> Path | None:
    """The outermost directory around a place that others may not enter."""
    return next((path for path in reversed(place.parents) if not path.stat().st_mode & 1), None)


@contextmanager
def sandboxed(
    *options: str, root: bool = True, **environment: str
) -> Iterator[tuple[ServerProcess, Service]]:
    """A server with `--sandbox`, and a client of it."""
    needed("bwrap")
    with (
        serving("--sandbox", *options, before=as_user(root=root), **environment) as server,
        Service(server.base_url, server.token) as service,
    ):
        own = server_of(server)
        try:
            yield server, service
        finally:
            _stop(own)  # what has started it as another user would not pass a signal on


def server_of(server: ServerProcess) -> psutil.Process:
    """The process of the server itself."""
    return next(process for process in below(server.process.pid) if _is_server(process))


def _is_server(process: psutil.Process) -> bool:
    return process.name() != "bwrap" and "serve" in process.cmdline()


def _stop(server: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        server.terminate()
        server.wait(PATIENCE)


def inside(pid: int) -> list[psutil.Process]:
    """The processes in all sandboxes of a server, but for those that make them."""
    return [process for process in below(pid) if _is_inside(process)]


def _is_inside(process: psutil.Process) -> bool:
    """Whether a process is in a namespace of its own, and not the first one there."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return len(numbers) > 1 and numbers[-1] != "1"
