"""Bad input is turned away, precisely, and harms nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.service import JSON, Service, body, rejection, text_file

# Seen in the session's variables, should it ever run.
CODE = "ran = True"


def _field(name: str, *values: object) -> list[Any]:
    """Requests that would do, if it were not for one field; `...` leaves it out."""
    requests = [{**body(CODE), name: value} for value in values]
    return [{key: value for key, value in one.items() if value is not ...} for one in requests]


def _file(name: str, *values: object, **fields: str) -> list[Any]:
    """Requests with two files, the second of which would do, if it were not for one field."""
    files = [{**text_file("second"), **fields, name: value} for value in values]
    kept = [{key: value for key, value in one.items() if value is not ...} for one in files]
    return [{**body(CODE), "files": [text_file("first"), one]} for one in kept]


# Requests, by the field that each is turned away for.
BAD_FIELDS: dict[str | None, list[Any]] = {
    None: [None, True, 1, "code", [], [body(CODE)]],
    "code": [{"text": CODE}, *_field("code", ..., None, 1, [CODE], {"a": CODE}, "ran = '\ud800'")],
    "language": _field("language", ..., None, 3, "javascript", "Python", ""),
    "session_id": _field("session_id", None, 5, ["ses_"]),
    "files": _field("files", None, "first", text_file("first"), 0),
    "files.1": _field("files", *([text_file("first"), value] for value in (None, "a", ["b"]))),
    "files.1.name": [
        *_file("name", ..., 1, None, "", ".", "/", "dir/", "a\0b", "\ud800"),
        *_file("name", "/etc/passwd", "//x", "..", "../x", "a/../x", "a/b/..", "a/../../x"),
        *_file("name", "x" * 256, "a/" + "ž" * 128, "first/below"),
    ],
    "files.1.encoding": _file("encoding", ..., 1, "", "hex", "Base64"),
    "files.1.content": [
        *_file("content", ..., 1, None, "\ud800"),
        *_file("content", "a", "YQ", "Y Q==", "YQ==\n", "é", "-_==", encoding="base64"),
    ],
}

BAD_BODIES = {
    "empty": b"",
    "cut off": json.dumps(body(CODE)).encode()[:-1],
    "two values": b"{}{}",
    "single quotes": b"{'language': 'python'}",
    "not a number": json.dumps(_field("more", float("nan"))[0]).encode(),
    "infinity": json.dumps(_field("more", float("-inf"))[0]).encode(),
    "latin-1": '{"language": "python", "code": "\'é\'"}'.encode("latin-1"),
    "utf-16": json.dumps(body(CODE)).encode("utf-16"),
    "a surrogate in utf-8": b'{"language": "python", "code": "\'\xed\xa0\x80\'"}',
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(body(CODE)).encode(),
    "a control character": b'{"language": "python", "code": "\n"}',
    "deep arrays": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep in an unknown field": json.dumps(body(CODE)).encode()[:-1] + b', "a": ' + b"[" * 200_000,
    "zeros": bytes(1000),
}


@pytest.fixture(autouse=True)
def _nothing_is_harmed(service: Service, session_id: str) -> Iterator[None]:
    """No session comes or goes, no file is written, no code runs, and the server lives."""
    look = "import os; print(sorted(os.listdir()), 'ran' in globals())"
    sessions = list(service.sessions())
    files = service.run(look, session_id).text()
    yield
    assert service.run(look, session_id).text() == files
    assert list(service.sessions()) == sessions


@pytest.mark.parametrize(
    ("param", "request_body"),
    [(param, request) for param, requests in BAD_FIELDS.items() for request in requests],
)
def test_wrong_fields_are_named(
    service: Service, session_id: str, param: str | None, request_body: Any
) -> None:
    variants = [request_body]
    if isinstance(request_body, dict) and "session_id" not in request_body:
        variants.append({**request_body, "session_id": session_id})
    for variant in variants:
        error = rejection(service.post(variant), 400)
        assert error["type"] == "invalid_request_error"
        assert error["param"] == param
        assert param is None or param in error["message"]


@pytest.mark.parametrize("content", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_bodies_that_are_not_json_are_refused(service: Service, content: bytes) -> None:
    error = rejection(service.http.post("/tci/execute", content=content, headers=JSON), 400)
    assert error["type"] == "invalid_request_error"
    assert "not JSON" in error["message"]


@pytest.mark.parametrize(
    "unknown", ["", "ses_", "ses_" + "a" * 21, "ses_" + "ž" * 21, "../..", "\0", "\ud800"]
)
def test_an_unknown_session_is_not_found(service: Service, unknown: str) -> None:
    request = body(CODE, unknown, [text_file("first")])
    error = rejection(service.post(request), 404)
    assert error["type"] == "invalid_request_error"
    assert error["param"] == "session_id"
    assert error["code"] == "session_not_found"


def test_unknown_fields_do_no_harm(service: Service, session_id: str) -> None:
    """The contract does not forbid them, and clients of tomorrow may send some."""
    request = {**body("1", session_id), "timeout": 5, "nested": {"a": [None]}}
    assert service.post(request).status_code == 200
