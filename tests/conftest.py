"""Fixtures that several rooms of the tests use. Processes that are slow to start are shared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kernels import KernelDriver, kernel
from tests.support.servers import ServerProcess, serving


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A local server with a token, shared: tests make sessions of their own in it."""
    with serving() as process:
        yield process


@pytest.fixture(scope="module")
def local_kernel() -> Iterator[KernelDriver]:
    """A `tci-local` kernel, shared by a module's tests."""
    with kernel("tci-local") as driver:
        yield driver


@pytest.fixture
def remote_kernel(server: ServerProcess) -> Iterator[KernelDriver]:
    """A `tci` kernel whose service is the shared local server."""
    with kernel(TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token) as driver:
        yield driver
