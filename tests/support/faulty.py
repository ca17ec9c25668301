"""A TCP server that does what a script says, and records what it received."""

from __future__ import annotations

import json
import socket
import ssl
import threading
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
    """Plays one action a request; the last one is repeated."""

    base_url: str
    actions: list[Action]
    requests: list[Request] = field(default_factory=list)

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


def listing(*session_ids: str) -> Action:
    """Answer a request for the list of sessions."""
    rows = [{"id": session_id, "execute_count": 1} for session_id in session_ids]
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


@contextmanager
def faulty_server(
    actions: Iterable[Action], tls: ssl.SSLContext | None = None
) -> Iterator[FaultyServer]:
    """Serve on a free port of loopback, a thread a connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = FaultyServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", list(actions))
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), ExitStack() as stack:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
                connections.append(connection)
            stack.enter_context(connection)
            stream = stack.enter_context(connection.makefile("rb"))
            while (request := _read(stream)) is not None:
                server.requests.append(request)
                index = min(len(server.requests), len(server.actions)) - 1
                server.actions[index](connection)

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
