"""Kernels in front of each interpreter that a service may run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.interpreters import IPYTHONS, OWN, PLAIN, Interpreter
from tests.support.kernels import DIRECT, KernelDriver


@pytest.fixture(scope="module", params=[OWN, *IPYTHONS])
def interpreter(
    request: pytest.FixtureRequest, interpreters: Callable[[str], Interpreter]
) -> Interpreter:
    """A server on each IPython that the helper may meet."""
    return interpreters(request.param)


@pytest.fixture(scope="module")
def helped(interpreter: Interpreter) -> Iterator[KernelDriver]:
    """A kernel with the helper in such an IPython."""
    with interpreter.kernel(DIRECT) as driver:
        yield driver


@pytest.fixture(scope="module")
def plain(interpreters: Callable[[str], Interpreter]) -> Interpreter:
    """A server whose sessions run plain Python."""
    return interpreters(PLAIN)


@pytest.fixture(scope="module")
def plain_kernel(plain: Interpreter) -> Iterator[KernelDriver]:
    """A kernel in front of plain Python."""
    with plain.kernel(DIRECT) as driver:
        yield driver


@pytest.fixture(scope="module", params=["local_kernel", "plain_kernel"])
def each_kernel(request: pytest.FixtureRequest) -> KernelDriver:
    """A kernel in front of IPython, and one in front of plain Python."""
    driver: KernelDriver = request.getfixturevalue(request.param)
    return driver
