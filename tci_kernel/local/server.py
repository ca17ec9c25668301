"""Starts and stops a local server: embedded in a kernel's process, or alone as a command."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from tci_kernel.client import is_loopback
from tci_kernel.errors import ConfigurationError
from tci_kernel.local import MAX_SESSIONS, SESSION_LIFETIME
from tci_kernel.local.app import make_app
from tci_kernel.local.cleanup import Janitor
from tci_kernel.local.pool import SessionPool

# Seconds for an embedded server's sessions, which end with their kernel and cost nothing.
EMBEDDED_LIFETIME = 30 * 24 * 3600.0

# Tornado's own limit would close the connection without an answer; the handlers have theirs.
_NO_LIMIT = 2**62


class LocalServer:
    """A running local server. Made by `start` or `embed`.

    Attributes:
        base_url: where it answers, with its version path.
        token: what callers must send as a bearer token; empty if anything will do.
    """

    def __init__(
        self, http: HTTPServer, pool: SessionPool, janitor: Janitor, base_url: str, token: str
    ) -> None:
        self._http = http
        self._pool = pool
        self._janitor = janitor
        self.base_url = base_url
        self.token = token

    @classmethod
    def start(
        cls,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        session_lifetime: float = SESSION_LIFETIME,
        max_sessions: int = MAX_SESSIONS,
        kernel_name: str = "python3",
    ) -> LocalServer:
        """Start a server on the running event loop.

        Args:
            host: a name or address to bind to.
            port: a TCP port; 0 takes a free one.
            token: what callers must send; needed off loopback.
            session_lifetime: seconds that a session lives.
            max_sessions: how many may live at once.
            kernel_name: the kernelspec of each session's interpreter.

        Raises:
            ConfigurationError: it would be open to the network, or can't start; says why.
        """
        if not token and not is_loopback(host):
            raise ConfigurationError(
                f"{host} can be reached from other machines: give a token (--token T, or the "
                "environment variable TCI_SERVER_TOKEN), or bind to 127.0.0.1."
            )
        _check_lifetime(session_lifetime)
        _check_kernelspec(kernel_name)
        try:
            sockets = bind_sockets(port, host)
        except OSError as error:
            raise ConfigurationError(f"Can't listen on {host}:{port}: {error.strerror}.") from error
        root = Path(tempfile.mkdtemp(prefix="tci-"))
        janitor = Janitor(root)
        pool = SessionPool(
            root,
            janitor,
            kernel_name=kernel_name,
            lifetime=session_lifetime,
            max_sessions=max_sessions,
        )
        http = HTTPServer(make_app(pool, host=host, token=token or None), max_body_size=_NO_LIMIT)
        http.add_sockets(sockets)
        return cls(http, pool, janitor, _url(host, sockets[0].getsockname()[1]), token)

    @classmethod
    def embed(cls) -> LocalServer:
        """Start a server for this process alone: on loopback, with a random token."""
        return cls.start(token=secrets.token_urlsafe(32), session_lifetime=EMBEDDED_LIFETIME)

    async def open_session(self) -> str:
        """Start a session without running code in it, and give its id."""
        return (await self._pool.create()).id

    async def aclose(self) -> None:
        """Stop: no process and no directory is left."""
        self._http.stop()
        await self._pool.close()
        await self._http.close_all_connections()
        await asyncio.to_thread(self._janitor.close)


async def serve(
    *,
    host: str,
    port: int,
    token: str,
    session_lifetime: float,
    max_sessions: int,
    kernel_name: str,
) -> None:
    """Run a server until SIGTERM, SIGINT or SIGHUP. Prints its base URL first.

    Raises:
        ConfigurationError: as `LocalServer.start`.
    """
    server = LocalServer.start(
        host=host,
        port=port,
        token=token,
        session_lifetime=session_lifetime,
        max_sessions=max_sessions,
        kernel_name=kernel_name,
    )
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    print(server.base_url, flush=True)
    if not token:
        print(
            "No token: everybody on this machine can run code as "
            f"{os.environ.get('USER', 'you')}. Give one with --token.",
            file=sys.stderr,
        )
    await stop.wait()
    await server.aclose()


def _check_lifetime(seconds: float) -> None:
    try:
        datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ConfigurationError(f"{seconds} seconds are beyond all calendars.") from error


def _check_kernelspec(kernel_name: str) -> None:
    manager = KernelSpecManager()
    try:
        manager.get_kernel_spec(kernel_name)
    except NoSuchKernel as error:
        known = ", ".join(sorted(manager.find_kernel_specs()))
        raise ConfigurationError(
            f"There is no kernel {kernel_name!r}. There are: {known}."
        ) from error


def _url(host: str, port: int) -> str:
    """The base URL for a client on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"
