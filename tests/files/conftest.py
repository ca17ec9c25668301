"""Sessions to move files to and from, and the directories at both ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tci_kernel import TCIClient
from tci_kernel.core.cell import Cell
from tci_kernel.session.session import RemoteSession
from tests.server.service import Service
from tests.support.plain import PlainService, plain_service
from tests.support.servers import ServerProcess


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's working directory."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A directory that sessions can reach, to look into from here."""
    directory = tmp_path / "there"
    directory.mkdir()
    return directory


@pytest.fixture
def plain(there: Path) -> Iterator[PlainService]:
    """A service without IPython, which works in `there`."""
    with plain_service(there) as service:
        yield service


@pytest.fixture
async def plain_session(plain: PlainService) -> AsyncIterator[RemoteSession]:
    client = TCIClient(base_url=plain.base_url, api_key="key")
    session = RemoteSession(client, transfer_size=65_536)
    yield session
    await session.aclose()


@pytest.fixture(scope="module")
def session_id(server: ServerProcess) -> Iterator[str]:
    """A session at a local server, shared by a module's tests."""
    with Service(server.base_url, server.token) as service, service.session() as shared:
        yield shared


@pytest.fixture
async def session(
    server: ServerProcess, session_id: str, there: Path
) -> AsyncIterator[RemoteSession]:
    """A session at a local server, which works in `there`."""
    client = TCIClient(base_url=server.base_url, api_key=server.token)
    session = RemoteSession(client, transfer_size=65_536)
    session.attach(session_id)
    await run(session, f"import os; os.chdir({str(there)!r})")
    yield session
    await session.aclose()


async def run(session: RemoteSession, code: str) -> str:
    """Run code as a user would, and give what it printed."""
    messages = [message async for message in session.run(Cell(code))]
    return "".join(message.content["text"] for message in messages if message.type == "stream")


def held(directory: Path) -> dict[str, bytes | None]:
    """What a directory holds, by path; of directories None."""
    return {
        path.relative_to(directory).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in directory.rglob("*")
    }
