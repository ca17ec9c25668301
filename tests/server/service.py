"""An ordinary client of a server, which checks every answer against the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from tests.support.contract import check
from tests.support.waiting import PATIENCE

# Seconds for anything that has to happen; generous, since machines that test are busy.

JSON = {"Content-Type": "application/json"}

File = dict[str, str]
T = TypeVar("T")


def text_file(name: str, content: str = "") -> File:
    return {"name": name, "encoding": "string", "content": content}


def body(code: str, session_id: str | None = None, files: list[File] | None = None) -> Any:
    """The body of a request to execute."""
    request: dict[str, Any] = {"language": "python", "code": code}
    if session_id is not None:
        request["session_id"] = session_id
    if files is not None:
        request["files"] = files
    return request


def rejection(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check that a request was turned away as the contract lays down; give its error."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    error: dict[str, Any] = check("Rejection", response.content)["error"]
    return error


@dataclass(frozen=True)
class Ran:
    """The outputs of code that ran."""

    session_id: str
    outputs: list[dict[str, Any]]

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """Read an answer, which must be that code ran."""
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == "application/json"
        data = check("ExecuteResponse", response.content)["data"]
        return cls(data["session_id"], data["outputs"])

    def text(self, kind: str = "stdout") -> str:
        return "".join(output["data"] for output in self.outputs if output["type"] == kind)

    @property
    def kinds(self) -> list[str]:
        return [output["type"] for output in self.outputs]


class Service:
    """Sends requests to a server. Close it, or use it in a `with` statement."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url
        self.token = token
        self.http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=PATIENCE,
            trust_env=False,
        )
        self._threads = ThreadPoolExecutor(max_workers=16)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._threads.shutdown()
        self.http.close()

    def post(self, request: object) -> httpx.Response:
        """Send a body to /tci/execute. Plain ASCII, so that half surrogate pairs can travel."""
        return self.http.post("/tci/execute", content=json.dumps(request), headers=JSON)

    def run(self, code: str, session_id: str | None = None, *files: File) -> Ran:
        """Run code, which must be answered with 200."""
        ran = Ran.of(self.post(body(code, session_id, list(files) or None)))
        assert session_id in (None, ran.session_id)
        return ran

    def refusal(self, session_id: str, status: int = 404) -> dict[str, Any]:
        """Try to run code in a session that can't be used; give the error."""
        return rejection(self.post(body("1", session_id)), status)

    def begin(self, code: str, session_id: str | None = None) -> Future[Ran]:
        """Run code in the background."""
        return self._threads.submit(self.run, code, session_id)

    def sessions(self) -> dict[str, dict[str, Any]]:
        """The live sessions by their ids."""
        response = self.http.get("/tci/sessions")
        assert response.status_code == 200, response.text
        rows = check("SessionsResponse", response.content)["data"]["sessions"]
        return {row["id"]: row for row in rows}

    def delete(self, session_id: str) -> httpx.Response:
        """Ask for the end of a session, in a way that the vendor's contract does not have."""
        return self.http.delete(f"/tci/sessions/{session_id}")

    def end(self, *session_ids: str) -> None:
        """End sessions."""
        for session_id in session_ids:
            assert self.http.delete(f"/tci/sessions/{session_id}").status_code == 200

    @contextmanager
    def session(self) -> Iterator[str]:
        """A session for one test."""
        session_id = self.run("pass").session_id
        yield session_id
        if session_id in self.sessions():
            self.end(session_id)

    def call(self, code: str, session_id: str | None = None, *files: File) -> HTTPConnection:
        """Send a request to run code, whole, and don't read the answer: close it to hang up."""
        connection = HTTPConnection(urlsplit(self.base_url).netloc, timeout=PATIENCE)
        connection.request(
            "POST",
            "/v1/tci/execute",
            json.dumps(body(code, session_id, list(files) or None)),
            {**JSON, "Authorization": f"Bearer {self.token}"},
        )
        return connection
