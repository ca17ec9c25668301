"""The environment of a module's programs, which the module names as `PROGRAMS`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.more.programs import KERNELS, Programs, environment
from tests.support.servers import ServerProcess


@pytest.fixture(scope="module")
def programs(
    request: pytest.FixtureRequest,
    downloads: Path,
    server: ServerProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Programs:
    directory = environment(request.module.PROGRAMS, downloads)
    return Programs(directory, tmp_path_factory.mktemp("home"), server)


@pytest.fixture(scope="module", params=KERNELS)
def name(request: pytest.FixtureRequest) -> str:
    """The kernelspec that a test is about."""
    kernel: str = request.param
    return kernel
