"""Jupyter Kernel Gateway as the host of kernels, spoken to as its clients do: HTTP, WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_client.session import Session
from websocket import WebSocket, create_connection

from tests.clients.jupyter_server import TOKEN, serving_jupyter
from tests.support.servers import ServerProcess

HEADERS = {"Authorization": f"token {TOKEN}"}


@pytest.fixture
def gateway(server: ServerProcess, tmp_path: Path) -> Iterator[str]:
    settings = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    command = ("kernel_gateway", f"--KernelGatewayApp.auth_token={TOKEN}")
    with serving_jupyter(*command, home=tmp_path, environment=settings) as address:
        yield address


def run(channels: WebSocket, code: str) -> dict[str, dict[str, Any]]:
    """Run a cell; gives what comes of it by type, when its reply and its end are there."""
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    request = Session().msg("execute_request", content)
    channels.send(json.dumps({**request, "channel": "shell"}, default=str))
    came: dict[str, dict[str, Any]] = {}
    # Reply and outputs come by two sockets: either can be the first to arrive.
    idle = {"execution_state": "idle"}
    while "execute_reply" not in came or came.get("status") != idle:
        message = json.loads(channels.recv())
        if message["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            came[message["msg_type"]] = message["content"]
    return came


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_a_kernel_behind_a_gateway(gateway: str, name: str) -> None:
    with httpx.Client(base_url=f"http://{gateway}/api", headers=HEADERS, timeout=60) as client:
        kernel = client.post("/kernels", json={"name": name}).json()["id"]
        address = f"ws://{gateway}/api/kernels/{kernel}/channels"
        with closing(create_connection(address, header=HEADERS, timeout=60)) as channels:
            came = run(channels, "print('printed')\n6 * 7")
            assert came["stream"]["text"] == "printed\n"
            assert came["execute_result"]["data"] == {"text/plain": "42"}
            assert came["execute_reply"]["status"] == "ok"
            came = run(channels, "1/0")
            assert came["error"]["ename"] == came["execute_reply"]["ename"] == "ZeroDivisionError"
        assert client.delete(f"/kernels/{kernel}").status_code == 204
