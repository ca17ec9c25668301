"""What the tests of the package share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.packaging.distributions import ROOT, Distributions, build
from tests.packaging.environments import KernelIn
from tests.support.kernels import KernelDriver, kernel


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Those of this checkout."""
    return build(ROOT, tmp_path_factory.mktemp("distributions"))


@pytest.fixture
def kernel_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelIn:
    """Starts the kernel `tci-local` whose kernelspec is in a directory."""

    def start(kernels: Path) -> AbstractContextManager[KernelDriver]:
        monkeypatch.setenv("JUPYTER_PATH", str(kernels.parent))
        # Python would find the checkout's modules there.
        monkeypatch.delenv("PYTHONPATH", raising=False)
        monkeypatch.chdir(tmp_path)
        return kernel("tci-local")

    return start
