"""Who may call, how, and with how much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest

from tci_kernel.server.handlers import MAX_BODY
from tests.server.service import JSON, Service, body, rejection
from tests.support.contract import check
from tests.support.servers import TOKEN, ServerProcess, serving


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        TOKEN.encode(),
        b"Bearer",
        f"Bearer {TOKEN}x".encode(),
        f"Bearer {TOKEN[:-1]}".encode(),
        f"Bearer {TOKEN.upper()}".encode(),
        f"Basic {TOKEN}".encode(),
        f"Bearer x {TOKEN}".encode(),
        b"Bearer \xc5\xbe\xff",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/tci/execute"), ("GET", "/tci/sessions")])
def test_nobody_gets_in_without_the_token(
    server: ServerProcess, method: str, path: str, authorization: bytes | None
) -> None:
    headers = httpx.Headers(JSON)
    if authorization is not None:
        headers = httpx.Headers([*headers.raw, (b"Authorization", authorization)])
    content = json.dumps(body("1"))
    with httpx.Client(base_url=server.base_url, trust_env=False) as client:
        response = client.request(method, path, content=content, headers=headers)
    assert rejection(response, 401)["type"] == "authentication_error"
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_of_the_token_has_no_case(service: Service, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {TOKEN}"}
    assert service.http.get("/tci/sessions", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "",
        "[::1",
        "192.0.2.1",
        "0.0.0.0",
        "2130706433",
    ],
)
@pytest.mark.parametrize("path", ["/tci/sessions", "/openapi.json"])
def test_a_name_that_is_not_the_servers_own_is_refused(
    service: Service, host: str, path: str
) -> None:
    """A page in a browser can make its own name lead to this address: DNS rebinding."""
    response = service.http.get(path, headers={"Host": host})
    assert "Host" in rejection(response, 403)["message"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.2:80", "[::1]"])
def test_every_name_of_this_machine_is_the_servers_own(service: Service, host: str) -> None:
    assert service.http.get("/tci/sessions", headers={"Host": host}).status_code == 200


def test_beyond_loopback_addresses_are_the_servers_own_and_names_are_not() -> None:
    with (
        serving("--host", "0.0.0.0") as server,
        Service(server.base_url, server.token) as service,
    ):
        assert server.base_url.startswith("http://127.0.0.1:")
        for host in ("192.0.2.1", "[2001:db8::1]:80", "localhost"):
            assert service.http.get("/tci/sessions", headers={"Host": host}).status_code == 200
        rejection(service.http.get("/tci/sessions", headers={"Host": "attacker.example"}), 403)
        rejection(service.http.get("/tci/sessions", headers={"Authorization": ""}), 401)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_another_method_on_execute_is_not_allowed(server: ServerProcess, method: str) -> None:
    response = httpx.request(
        method, f"{server.base_url}/tci/execute", headers=server.headers, trust_env=False
    )
    rejection(response, 405)
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/tci/sessions", "/openapi.json"])
def test_another_method_on_what_is_read_is_not_allowed(service: Service, path: str) -> None:
    response = service.http.post(path, json={})
    rejection(response, 405)
    assert response.headers["Allow"] == "GET"


def test_an_answer_to_head_has_no_body(service: Service) -> None:
    response = service.http.head("/tci/execute")
    assert response.status_code == 405
    assert response.content == b""


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/tci/execute", "/v1/tci", "/tci/execute/", "/tci/sessions/"]
)
def test_other_paths_are_not_found(service: Service, path: str) -> None:
    url = service.base_url.removesuffix("/v1") + path
    for response in (service.http.get(url), service.http.post(url, json=body("1"))):
        assert "/v1/tci/execute" in rejection(response, 404)["message"]


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"],
)
def test_a_body_must_be_said_to_be_json(service: Service, content_type: str | None) -> None:
    """What a browser sends to another site without asking it first is none of these."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = service.http.post(
        "/tci/execute", content=json.dumps(body("1")).encode(), headers=headers
    )
    assert "application/json" in rejection(response, 415)["message"]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;"]
)
def test_json_by_any_other_name_is_json(
    service: Service, session_id: str, content_type: str
) -> None:
    response = service.http.post(
        "/tci/execute",
        content=json.dumps(body("1", session_id)),
        headers={"Content-Type": content_type},
    )
    assert response.status_code == 200


def _chunks(size: int) -> Iterator[bytes]:
    chunk = b" " * 1024 * 1024
    for start in range(0, size, len(chunk)):
        yield chunk[: size - start]


def test_a_body_over_the_limit_is_too_large(service: Service) -> None:
    content = b" " * (MAX_BODY + 1)
    response = service.http.post("/tci/execute", content=content, headers=JSON)
    assert str(MAX_BODY) in rejection(response, 413)["message"]


def test_a_chunked_body_over_the_limit_is_too_large(service: Service) -> None:
    response = service.http.post("/tci/execute", content=_chunks(MAX_BODY + 1), headers=JSON)
    rejection(response, 413)


def test_a_body_at_the_limit_is_read(service: Service, session_id: str) -> None:
    content = json.dumps(body("'here'", session_id)).encode()
    response = service.http.post("/tci/execute", content=content.ljust(MAX_BODY), headers=JSON)
    assert check("ExecuteResponse", response.content)["data"]["session_id"] == session_id


def test_whoever_may_not_call_hears_so_after_a_large_body_too(server: ServerProcess) -> None:
    response = httpx.post(
        f"{server.base_url}/tci/execute",
        content=_chunks(MAX_BODY // 4),
        headers=JSON,
        trust_env=False,
        timeout=60,
    )
    rejection(response, 401)


def test_a_connection_lasts_over_requests_that_are_turned_away(
    server: ServerProcess, session_id: str
) -> None:
    content = json.dumps(body("1", session_id))
    good = {**JSON, **server.headers}
    requests = [
        ("POST", "/tci/execute", {**JSON}, 401),
        ("POST", "/tci/execute", {**good, "Host": "attacker.example"}, 403),
        ("POST", "/tci/elsewhere", good, 404),
        ("PUT", "/tci/execute", good, 405),
        ("POST", "/tci/execute", server.headers, 415),
        ("POST", "/tci/execute", good, 200),
        ("GET", "/tci/sessions", server.headers, 200),
    ]
    connection = HTTPConnection(urlsplit(server.base_url).netloc, timeout=60)
    connection.connect()
    first = connection.sock
    for method, path, headers, status in requests:
        connection.request(method, path, content if method != "GET" else None, headers)
        response = connection.getresponse()
        assert response.status == status
        response.read()
        assert connection.sock is first
    connection.close()


def test_without_a_token_everybody_on_this_machine_gets_in() -> None:
    with serving(token="") as server, Service(server.base_url, "") as service:
        assert service.sessions() == {}
        response = service.http.get("/tci/sessions", headers={"Authorization": "Bearer any"})
        assert response.status_code == 200
        rejection(service.http.get("/tci/sessions", headers={"Host": "attacker.example"}), 403)
