"""What the tests of the server share: one server, and in it one session that nobody ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.service import Service
from tests.support.servers import ServerProcess


@pytest.fixture(scope="session")
def service(server: ServerProcess) -> Iterator[Service]:
    with Service(server.base_url, server.token) as client:
        yield client


@pytest.fixture(scope="session")
def session_id(service: Service) -> str:
    """A live session, for tests that leave it as they found it."""
    return service.run("pass").session_id


@pytest.fixture
def own_session(service: Service) -> Iterator[str]:
    """A session that a test may ruin."""
    with service.session() as own:
        yield own
