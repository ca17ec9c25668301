"""The documents: what is made from the code is what the code says now."""

from __future__ import annotations

import pytest

from docs.generate import DIRECTORY, PAGES, generated
from tci_kernel.cli.root import commands


@pytest.mark.parametrize("page", PAGES)
def test_pages_made_from_the_code_are_up_to_date(page: str) -> None:
    assert (DIRECTORY / page).read_text() == generated(page), "run `make docs`"


def test_every_command_is_documented() -> None:
    page = (DIRECTORY / "command-line.md").read_text()

    for name in set(commands.commands) - {"kernel"}:
        assert f"`{name}" in page
