"""A reverse proxy that counts what goes to a server, may hold it up, and may leave headers out."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select
from urllib.parse import urlsplit

# The headers without which a server of ours is a service that has no more than the contract.
EXTENSIONS = ("TCI-Extensions",)

_HOP_BY_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class CountingProxy:
    """Where the proxy listens, and what went through it.

    `POST` runs code, `GET` lists sessions, `DELETE` ends one.
    """

    base_url: str
    seen: list[tuple[str, bytes]] = field(default_factory=list)

    def taken(self) -> list[tuple[str, bytes]]:
        """Method and body of each request since the last call."""
        seen, self.seen[:] = list(self.seen), []
        return seen

    def executions(self) -> int:
        """How many requests since the last call asked to run code."""
        return sum(method == "POST" for method, _ in self.taken())


def _passed_on(
    headers: Iterable[tuple[str, str]], without: Collection[str] = ()
) -> list[tuple[str, str]]:
    dropped = {*_HOP_BY_HOP, *map(str.lower, without)}
    return [(name, value) for name, value in headers if name.lower() not in dropped]


@contextmanager
def counted(
    base_url: str, delay: float = 0.0, *, without: Collection[str] = ()
) -> Iterator[CountingProxy]:
    """Stand a proxy before the server at `base_url`.

    Args:
        base_url: the server's.
        delay: seconds that each request is on its way, and its answer comes at once.
        without: headers that are left out, of requests and of answers.
    """
    target = urlsplit(base_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.seen.append((self.command, body))
            headers = dict(_passed_on(self.headers.items(), without))
            if delay and select([self.connection], [], [], delay)[0]:
                self.close_connection = True  # the caller has hung up meanwhile
                return
            connection = http.client.HTTPConnection(target.hostname or "", target.port)
            connection.request(self.command, self.path, body or None, headers)
            # A caller that hangs up wants its code stopped: the server must see it.
            readable, _, _ = select([connection.sock, self.connection], [], [])
            if connection.sock not in readable:
                connection.close()
                self.close_connection = True
                return
            response = connection.getresponse()
            content = response.read()
            connection.close()
            self.send_response(response.status)
            for name, value in _passed_on(response.getheaders(), without):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = pass_on  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = CountingProxy(f"http://127.0.0.1:{server.server_port}{target.path}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
