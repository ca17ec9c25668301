"""The filesystem of fsspec, on a session at a real server: fsspec's own tests, and ours."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

import fsspec
import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)

from tests.support.servers import ServerProcess


class SessionFixtures(AbstractFixtures):
    """What fsspec's own tests need to know."""

    @pytest.fixture
    def fs(self, server: ServerProcess) -> fsspec.AbstractFileSystem:
        return fsspec.filesystem("tci", api_key=server.token, base_url=server.base_url)

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def fs_path(self, session_id: str) -> str:
        return session_id


class TestCopy(SessionFixtures, AbstractCopyTests):
    """Copies within the session."""


class TestGet(SessionFixtures, AbstractGetTests):
    """Copies from the session."""


class TestPut(SessionFixtures, AbstractPutTests):
    """Copies to the session."""


class TestOpen(SessionFixtures, AbstractOpenTests):
    """Files that are open."""


class TestPipe(SessionFixtures, AbstractPipeTests):
    """Bytes that are written."""
