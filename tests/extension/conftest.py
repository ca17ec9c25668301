"""Ordinary notebooks, on Jupyter's own kernel, in which the extension is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.kernels import KernelDriver, kernel
from tests.support.servers import ServerProcess

LOAD = "%load_ext tci_kernel"


def done(driver: KernelDriver, code: str) -> None:
    """Run a cell that has nothing to show."""
    cell = driver.run(code)
    assert (cell.reply["status"], cell.outputs) == ("ok", []), cell.outputs


@contextmanager
def notebook(base_url: str, token: str, **environment: str) -> Iterator[KernelDriver]:
    """A notebook whose service is at an address, with the extension."""
    where = {"TOGETHER_BASE_URL": base_url, "TOGETHER_API_KEY": token, **environment}
    with kernel("python3", **where) as driver:
        done(driver, LOAD)
        yield driver


@pytest.fixture(scope="module")
def live(server: ServerProcess) -> Iterator[KernelDriver]:
    """A notebook whose cells run live."""
    with notebook(server.base_url, server.token) as driver:
        yield driver


@pytest.fixture(scope="module")
def direct(server: ServerProcess) -> Iterator[KernelDriver]:
    """A notebook whose cells run as a request each."""
    with notebook(server.base_url, server.token) as driver:
        done(driver, "%config TCIMagics.execution = 'direct'")
        yield driver


@pytest.fixture(scope="module", params=["live", "direct"])
def each(request: pytest.FixtureRequest) -> KernelDriver:
    """A notebook of each way of running cells."""
    driver: KernelDriver = request.getfixturevalue(request.param)
    return driver
