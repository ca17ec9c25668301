"""What the system grants a server: open files, and ZeroMQ's sockets."""

from __future__ import annotations

import resource

import zmq

# Open files that are asked for where the system sets no limit, or a higher one.
MOST_FILES = 65_536

# Open files of a session here: its sockets and ZeroMQ's wakers. Measured, with room to spare.
FILES_PER_SESSION = 14

# Open files beside sessions and connections, and the share that connections may have.
OWN_FILES = 64
CONNECTIONS_SHARE = 4
MOST_CONNECTIONS = 4_096

# ZeroMQ's sockets of a session, and as many as it grants unasked.
SOCKETS_PER_SESSION = 5
OWN_SOCKETS = 64


def raise_file_limit() -> int:
    """Have this process open as many files as the system lets it; gives how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has another limit beside this one
        return soft
    return wanted


def connections_for(files: int) -> int:
    """How many connections a server may have that may open so many files."""
    return min(files // CONNECTIONS_SHARE, MOST_CONNECTIONS)


def sessions_for(files: int) -> int:
    """How many sessions a server may have that may open so many files."""
    for_files = (files - OWN_FILES - connections_for(files)) // FILES_PER_SESSION
    for_sockets = (
        zmq.Context.instance().get(zmq.SOCKET_LIMIT) - OWN_SOCKETS
    ) // SOCKETS_PER_SESSION
    return max(1, min(for_files, for_sockets))


def sockets_for(sessions: int) -> int:
    """How many of ZeroMQ's sockets so many sessions need."""
    return OWN_SOCKETS + SOCKETS_PER_SESSION * (sessions + 1)
