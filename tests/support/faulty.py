"""A TCP server that does what a script says, and records what it received."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

SESSION = "ses_" + "a" * 21

# What the server does with one request, once it has read it whole: it gets the open socket.
Action = Callable[[socket.socket], None]


@dataclass
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FaultyServer:
    """Plays one action for each execution; the last one is repeated.

    Requests for the list of sessions get `listed`, which changes when a test says so.
    """

    base_url: str
    actions: list[Action]
    listed: Action
    requests: list[Request] = field(default_factory=list)

    def play(self, *actions: Action) -> None:
        """Begin another script, with nothing received so far."""
        self.requests.clear()
        self.actions[:] = actions

    def act(self, request: Request) -> Action:
        """What is done with a request that has just arrived."""
        self.requests.append(request)
        if request.method == "GET":
            return self.listed
        return self.actions[min(len(self.executions), len(self.actions)) - 1]

    @property
    def executions(self) -> list[Request]:
        """The requests that ask to run code."""
        return [request for request in self.requests if request.method == "POST"]


def http(status: int, body: bytes | str, **headers: str) -> Action:
    """Answer with a whole HTTP response."""
    payload = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(payload)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return raw("\r\n".join(head).encode() + b"\r\n\r\n" + payload)


def answer(*outputs: Any, session_id: str = SESSION, **extra: Any) -> Action:
    """Answer an execution with outputs, given as `(type, data)` or as whole objects."""
    items = [
        {"type": item[0], "data": item[1]} if isinstance(item, tuple) else item for item in outputs
    ]
    data = {"session_id": session_id, "outputs": items, **extra}
    return http(200, json.dumps({"data": data, "errors": None}))


def listing(*session_ids: str, expires_at: str = "2100-01-01T00:00:00+00:00") -> Action:
    """Answer a request for the list of sessions."""
    rows = [
        {"id": session_id, "execute_count": 1, "expires_at": expires_at}
        for session_id in session_ids
    ]
    return http(200, json.dumps({"data": {"sessions": rows}, "errors": None}))


def raw(data: bytes) -> Action:
    """Send bytes as they are."""
    return lambda connection: connection.sendall(data)


def hang_up(data: bytes = b"") -> Action:
    """Send some bytes, then close the connection."""

    def act(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return act


def stall(until: threading.Event, then: Action | None = None) -> Action:
    """Stay silent until an event, then go on."""

    def act(connection: socket.socket) -> None:
        until.wait(30)
        if then is not None:
            then(connection)

    return act


def late(seconds: float, then: Action) -> Action:
    """Do something, but only after a while."""

    def act(connection: socket.socket) -> None:
        time.sleep(seconds)
        then(connection)

    return act


@contextmanager
def faulty_server(
    actions: Iterable[Action], tls: ssl.SSLContext | None = None, port: int = 0
) -> Iterator[FaultyServer]:
    """Serve on a port of loopback, a free one unless named, a thread a connection."""
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = FaultyServer(url, list(actions), listing(SESSION))
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        # The end of a test closes the connection under it, in whatever it does just then.
        with suppress(OSError, ValueError), ExitStack() as stack:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
                connections.append(connection)
            stack.enter_context(connection)
            stream = stack.enter_context(connection.makefile("rb"))
            # Who looks for a program that had this port before is no client: gRPC's `PRI *`.
            while (request := _read(stream)) is not None and request.path != "*":
                server.act(request)(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        for open_socket in (listener, *connections):
            with suppress(OSError):
                open_socket.close()


def _read(stream: Any) -> Request | None:
    """Read one request, or None at the end of the connection."""
    line = stream.readline().decode().split()
    if len(line) < 2:
        return None
    headers: dict[str, str] = {}
    while text := stream.readline().decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Request(line[0], line[1], headers, body)
