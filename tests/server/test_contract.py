"""The two endpoints, their paths, and the description of them."""

from __future__ import annotations

import json
import re

import httpx
import pytest
import yaml

from tests.server.service import JSON, Service, body
from tests.support.contract import OPENAPI, check
from tests.support.servers import ServerProcess

# The contract's own, without the version, and what published clients make of it.
PREFIXES = ["/v1/", "/", "/v1//", "//", "//v1/"]


def test_the_first_line_on_stdout_is_the_base_url(server: ServerProcess) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", server.base_url)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_execute_answers_on_every_form_of_its_path(
    service: Service, session_id: str, prefix: str
) -> None:
    response = service.http.post(
        service.base_url.removesuffix("/v1") + f"{prefix}tci/execute",
        content=json.dumps(body("6 * 7", session_id)),
        headers=JSON,
    )
    assert response.status_code == 200
    assert check("ExecuteResponse", response.content) == {
        "data": {
            "session_id": session_id,
            "status": "success",
            "outputs": [{"type": "execute_result", "data": {"text/plain": "42"}}],
        },
        "errors": None,
    }


@pytest.mark.parametrize("prefix", PREFIXES)
def test_sessions_answers_on_every_form_of_its_path(
    service: Service, session_id: str, prefix: str
) -> None:
    response = service.http.get(service.base_url.removesuffix("/v1") + f"{prefix}tci/sessions")
    rows = check("SessionsResponse", response.content)["data"]["sessions"]
    assert session_id in [row["id"] for row in rows]


def test_openapi_json_is_openapi_yaml() -> None:
    """`make openapi` writes the one from the other."""
    json_text = OPENAPI.with_suffix(".json").read_text()
    assert json.loads(json_text) == yaml.safe_load(OPENAPI.read_text())


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/openapi.json"])
def test_the_description_is_served_to_everybody(server: ServerProcess, path: str) -> None:
    response = httpx.get(server.base_url.removesuffix("/v1") + path, trust_env=False)
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == yaml.safe_load(OPENAPI.read_text())
