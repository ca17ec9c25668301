"""A service that misbehaves, clients and sessions for it, and kernels at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tci_kernel import TCIClient
from tci_kernel.session.session import RemoteSession
from tests.support.faulty import FaultyServer, faulty_server
from tests.support.kernels import BARE, KernelDriver, kernel

MakeClient = Callable[..., TCIClient]
MakeSession = Callable[..., RemoteSession]
Scripted = tuple[KernelDriver, FaultyServer]


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    with faulty_server([]) as server:
        yield server


@pytest.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    """Makes clients that are closed after the test."""
    async with AsyncExitStack() as stack:

        def make(base_url: str, **settings: object) -> TCIClient:
            client = TCIClient(base_url=base_url, **{"api_key": "the-key", **settings})
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
async def client(service: FaultyServer, make_client: MakeClient) -> TCIClient:
    return make_client(service.base_url)


@pytest.fixture
async def make_session(make_client: MakeClient) -> AsyncIterator[MakeSession]:
    """Makes sessions that are closed after the test. The client's settings come as a dict."""
    async with AsyncExitStack() as stack:

        def make(
            base_url: str, client: Mapping[str, object] | None = None, **settings: Any
        ) -> RemoteSession:
            settings = {"use_helper": False, **settings}
            made = RemoteSession(make_client(base_url, **(client or {})), **settings)
            stack.push_async_callback(made.aclose)
            return made

        yield make


@pytest.fixture(scope="module")
def scripted() -> Iterator[Scripted]:
    """One kernel at a service whose answers each test sets."""
    with (
        faulty_server([]) as server,
        kernel("tci", BARE, TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        yield driver, server
