"""A service that takes its contract narrowly: plain Python, flat names of files, small requests."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SESSION = "ses_" + "p" * 21

# Reads code as JSON, a line each, runs it, and answers with what it printed and how it failed.
_INTERPRETER = """
import contextlib, io, json, sys
names = {"__name__": "__main__"}
for line in sys.stdin:
    printed, error = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        try:
            exec(json.loads(line), names)
        except Exception as exception:
            error = f"{type(exception).__name__}: {exception}"
    print(json.dumps([printed.getvalue(), error]), file=sys.__stdout__, flush=True)
"""


@dataclass
class PlainService:
    """Where it listens, where its one session works, and what it was sent."""

    base_url: str
    directory: Path
    max_body: int
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def files(self) -> list[dict[str, str]]:
        """All files that it was sent."""
        return [file for request in self.requests for file in request.get("files", [])]


def _run(interpreter: subprocess.Popen[str], code: str) -> list[dict[str, str]]:
    assert interpreter.stdin is not None
    assert interpreter.stdout is not None
    interpreter.stdin.write(json.dumps(code) + "\n")
    interpreter.stdin.flush()
    printed, error = json.loads(interpreter.stdout.readline())
    outputs = [{"type": "stdout", "data": printed}] if printed else []
    return [*outputs, {"type": "error", "data": error}] if error else outputs


def _write(directory: Path, file: dict[str, str]) -> None:
    """Write a file; raises ValueError for a name that is not flat."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", file["name"]):
        raise ValueError(f"bad name {file['name']!r}")
    content = file["content"]
    binary = file["encoding"] == "base64"
    (directory / file["name"]).write_bytes(
        base64.b64decode(content) if binary else content.encode()
    )


@contextmanager
def plain_service(directory: Path, max_body: int = 10_000_000) -> Iterator[PlainService]:
    """Serve one session, whose interpreter sees no installed package, in a directory."""
    interpreter = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _INTERPRETER],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(200, {"data": {"sessions": [{"id": SESSION}]}, "errors": None})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) > service.max_body:
                self.answer(413, {"error": {"message": "too large"}})
                return
            request = json.loads(body)
            service.requests.append(request)
            try:
                for file in request.get("files", []):
                    _write(directory, file)
            except ValueError as error:
                self.answer(400, {"error": {"message": str(error)}})
                return
            data = {"session_id": SESSION, "outputs": _run(interpreter, request["code"])}
            self.answer(200, {"data": data, "errors": None})

        def answer(self, status: int, content: Any) -> None:
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = PlainService(f"http://127.0.0.1:{server.server_port}/v1", directory, max_body)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        interpreter.kill()
        interpreter.communicate()
