"""The connections of a server: bounded in number, and closed where nothing comes."""

from __future__ import annotations

from typing import Any, cast

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

# Seconds that a connection may wait for its next request, and that a body may take to arrive.
IDLE_TIMEOUT = 75.0
BODY_TIMEOUT = 600.0

# Tornado's own limit would close the connection without an answer; the handlers have theirs.
_NO_LIMIT = 2**62


class BoundedServer(HTTPServer):
    """An HTTP server that has room for who may call, however many others connect.

    Where there are too many connections the oldest is closed that is not answered just now. Who
    has no token is never answered, so theirs go first.
    """

    def initialize(self, request_callback: Any, most: int) -> None:  # type: ignore[override]
        """Begin without connections.

        Args:
            request_callback: the application.
            most: how many connections there may be.
        """
        super().initialize(
            request_callback,
            max_body_size=_NO_LIMIT,
            idle_connection_timeout=IDLE_TIMEOUT,
            body_timeout=BODY_TIMEOUT,
        )
        self._most = most
        self._waiting: dict[IOStream, None] = {}  # the oldest first
        self._answered: set[IOStream] = set()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Take a new connection."""
        while len(self._waiting) + len(self._answered) >= self._most:
            if not self._waiting:
                stream.close()
                return
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.close()
        self._waiting[stream] = None
        super().handle_stream(stream, address)

    def begin(self, stream: IOStream) -> None:
        """Note that who may call is answered on a connection."""
        if stream in self._waiting:
            del self._waiting[stream]
            self._answered.add(stream)

    def end(self, stream: IOStream) -> None:
        """Note that the answer has gone out."""
        if stream in self._answered:
            self._answered.discard(stream)
            self._waiting[stream] = None

    def on_close(self, server_conn: object) -> None:
        """Forget a connection."""
        stream = cast(HTTP1ServerConnection, server_conn).stream
        self._waiting.pop(stream, None)
        self._answered.discard(stream)
        super().on_close(server_conn)
