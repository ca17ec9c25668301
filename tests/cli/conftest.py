"""What the tests of the commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Commands


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """The command, without a key, a service or a configuration."""
    (tmp_path / "home").mkdir()
    return Commands(tmp_path / "home")
