"""The kernel that sessions are saved on and loaded into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.state.loading import PRIVATE
from tests.support.counting import EXTENSIONS, counted
from tests.support.kernels import DIRECT, KernelDriver, kernel
from tests.support.servers import serving


@pytest.fixture(scope="module", params=["live", "direct", "relay"])
def driver(request: pytest.FixtureRequest) -> Iterator[KernelDriver]:
    """A kernel whose sessions have a directory of their own, by each way of running cells."""
    if request.param == "relay":
        with (
            serving() as server,
            counted(server.base_url, without=EXTENSIONS) as proxy,
            kernel(
                "tci", TOGETHER_BASE_URL=proxy.base_url, TOGETHER_API_KEY=server.token
            ) as driver,
        ):
            yield driver
        return
    options = [PRIVATE, *([DIRECT] if request.param == "direct" else [])]
    with kernel("tci-local", *options) as driver:
        yield driver
