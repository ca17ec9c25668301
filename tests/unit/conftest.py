"""Fixtures that several modules of the unit tests use."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# For `make check`, which people wait for; the whole suite has the default's number of examples.
hypothesis.settings.register_profile("quick", max_examples=15)


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A directory of a user who is not allowed everything, and who runs the test."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    directory.chmod(0o777)
    uids = os.getresuid()
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 0)
    try:
        yield directory
    finally:
        os.setresuid(*uids)
        for path in directory.iterdir():
            path.chmod(0o700)
        shutil.rmtree(directory)
