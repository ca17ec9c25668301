"""What the documents have from the code is what the code says now."""

from __future__ import annotations

import pytest

from docs.generate import DIRECTORY, PAGES, generated


@pytest.mark.parametrize("page", PAGES)
def test_pages_made_from_the_code_are_up_to_date(page: str) -> None:
    assert (DIRECTORY / page).read_text() == generated(page), "run `make docs`"
