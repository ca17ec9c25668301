"""Jupyter Kernel Gateway as the host of kernels, spoken to as its clients do: HTTP, WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from websocket import create_connection

from tests.clients.jupyter_server import TOKEN, run_cell, serving_jupyter
from tests.support.servers import ServerProcess

HEADERS = {"Authorization": f"token {TOKEN}"}


@pytest.fixture
def gateway(server: ServerProcess, tmp_path: Path) -> Iterator[str]:
    settings = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    command = ("kernel_gateway", f"--KernelGatewayApp.auth_token={TOKEN}")
    with serving_jupyter(*command, home=tmp_path, environment=settings) as address:
        yield address


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_a_kernel_behind_a_gateway(gateway: str, name: str) -> None:
    with httpx.Client(base_url=f"http://{gateway}/api", headers=HEADERS, timeout=60) as client:
        kernel = client.post("/kernels", json={"name": name}).json()["id"]
        address = f"ws://{gateway}/api/kernels/{kernel}/channels"
        with closing(create_connection(address, header=HEADERS, timeout=60)) as channels:
            came = run_cell(channels, "print('printed')\n6 * 7")
            assert came["stream"]["text"] == "printed\n"
            assert came["execute_result"]["data"] == {"text/plain": "42"}
            assert came["execute_reply"]["status"] == "ok"
            came = run_cell(channels, "1/0")
            assert came["error"]["ename"] == came["execute_reply"]["ename"] == "ZeroDivisionError"
        assert client.delete(f"/kernels/{kernel}").status_code == 204
