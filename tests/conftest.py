"""Fixtures that several rooms of the tests use. Processes that are slow to start are shared."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.support.interpreters import Interpreter, interpreter
from tests.support.kernels import KernelDriver, kernel
from tests.support.measuring import PROGRAMS, VARIABLE, write_unmeasured_interpreter
from tests.support.servers import ServerProcess, serving

# The rooms whose files take longest, in this order, and then the others.
LONGEST = ("clients", "differential", "packaging", "documents", "faults", "protocol", "files")


def room(path: Path) -> str:
    """The room of a test file."""
    return path.relative_to(Path(__file__).parent).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: no process is left with a long file at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(room(item.path), len(places)))


@pytest.fixture(scope="session", autouse=True)
def _own_history() -> Iterator[None]:
    """Keeps what tests run out of the history of who runs them, and that out of the tests."""
    # A short path: sockets of kernels lie below it.
    with tempfile.TemporaryDirectory(prefix="t") as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", place)
        yield


@pytest.fixture(scope="session", autouse=True)
def _unmeasured_interpreters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps coverage out of the processes that sessions run in, where no code is the package's."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get(VARIABLE):
            place = tmp_path_factory.mktemp("unmeasured")
            write_unmeasured_interpreter(place)
            patch.setenv("JUPYTER_PATH", str(place), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module", autouse=True)
def _unmeasured_programs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps it out of whole programs as well, in the rooms of those."""
    with pytest.MonkeyPatch.context() as patch:
        if room(request.path) in PROGRAMS:
            patch.delenv(VARIABLE, raising=False)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A local server with a token, shared: tests make sessions of their own in it."""
    with serving() as process:
        yield process


@pytest.fixture(scope="session")
def downloads(pytestconfig: pytest.Config) -> Path:
    """Where what was downloaded is kept for the next run."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("downloads")


@pytest.fixture(scope="session")
def interpreters(
    downloads: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Interpreter]]:
    """Gives the server on an interpreter, by name; each is started once."""
    with ExitStack() as stack:

        @cache
        def get(name: str) -> Interpreter:
            specs = tmp_path_factory.mktemp(name)
            return stack.enter_context(interpreter(name, downloads, specs))

        yield get


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
