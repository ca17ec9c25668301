"""Clients of the Python API at real servers, on each way in which code can be run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tci_kernel import Client
from tci_kernel.api.sync_session import Session
from tests.cli.commands import UNSET
from tests.support.counting import EXTENSIONS, counted
from tests.support.servers import ServerProcess

LIVE = ("exchange", "relay", "local")
WAYS = (*LIVE, "direct")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user without a configuration, a key or a service."""
    directory = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in UNSET:
            patch.delenv(name, raising=False)
        patch.setenv("JUPYTER_CONFIG_DIR", str(directory / ".jupyter"))
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        yield directory


@pytest.fixture(scope="module")
def clients(server: ServerProcess) -> Iterator[dict[str, Client]]:
    """A client for each way; all work until the module's tests are over."""
    with ExitStack() as stack:
        plain = stack.enter_context(counted(server.base_url, without=EXTENSIONS))
        direct = {"TCIKernel.execution": "direct"}
        yield {
            "exchange": stack.enter_context(at(server)),
            "relay": stack.enter_context(Client(base_url=plain.base_url, api_key=server.token)),
            "direct": stack.enter_context(at(server, **direct)),
            "local": stack.enter_context(Client(local=True)),
        }


@pytest.fixture(scope="module")
def sessions(clients: dict[str, Client]) -> dict[str, Session]:
    """A session of each way, shared: closed with its client."""
    return {way: client.session() for way, client in clients.items()}


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    """A client of the shared server."""
    with at(server) as made:
        yield made


def at(server: ServerProcess, **settings: object) -> Client:
    """A client of a server."""
    return Client(base_url=server.base_url, api_key=server.token, settings=settings)


def environment(server: ServerProcess, home: Path) -> dict[str, str]:
    """What a script needs to reach a server."""
    return {
        **os.environ,
        "HOME": str(home),
        "TOGETHER_BASE_URL": server.base_url,
        "TOGETHER_API_KEY": server.token,
    }
