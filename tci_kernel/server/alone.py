"""A server that runs alone, as a command, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from tci_kernel.server.server import LocalServer


async def serve(server: LocalServer, *, host: str, port: int, token: str) -> None:
    """Run a server until SIGTERM, SIGINT or SIGHUP. Prints its base URL first.

    Raises:
        ConfigurationError: as `LocalServer.start`.
    """
    server.start(host=host, port=port, token=token)
    server.adopt_orphans()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    print(server.base_url, flush=True)
    if not token:
        whose = "in its sandboxes" if server.sandbox else f"as {os.environ.get('USER', 'you')}"
        print(
            f"No token: everybody on this machine can run code {whose}. Give one with --token.",
            file=sys.stderr,
        )
    if server.most_sessions < server.max_sessions:
        print(
            f"At most {server.most_sessions} sessions at once, not {server.max_sessions}: there is "
            "no room for more in the open files that this process may have (ulimit -n).",
            file=sys.stderr,
        )
    await stop.wait()
    await server.aclose()
