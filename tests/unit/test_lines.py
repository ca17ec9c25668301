"""`%tci` lines and `%%local`, found in the text of a cell."""

from __future__ import annotations

import pytest

from tci_kernel.core.lines import local_cell, split

MANY = 1_000_000


@pytest.mark.parametrize(
    ("code", "words", "body"),
    [
        ("%%local", "", ""),
        ("%%local\n", "", ""),
        ("%%local\nx", "", "x"),
        ("%%local --help", "--help", ""),
        ("%%local x \n\n \n  a = 1\nb", "x", "  a = 1\nb"),
        ("%tci status\n\n%%local\nx", "", "x"),
    ],
)
def test_a_local_cell_has_words_and_a_body(code: str, words: str, body: str) -> None:
    cell = local_cell(code)
    assert cell is not None
    assert (cell.words, cell.body) == (words, body)
    assert len(cell.code) == len(code)


@pytest.mark.parametrize("code", ["", "x", " %%local\nx", "%%locals\nx", "x\n%%local\ny"])
def test_other_cells_are_none(code: str) -> None:
    assert local_cell(code) is None


@pytest.mark.parametrize("blank", [" ", "\n", "\n ", " \n", "\t"])
def test_blanks_take_no_longer_than_to_read_them(blank: str) -> None:
    # Where each blank is looked at once for each, this takes hours.
    cell = local_cell(f"%%local{blank * MANY}")
    assert cell is not None
    assert cell.body == ""
    assert split(blank * MANY) == ([], blank * MANY)
    assert split(f"%tci{blank * MANY}")[0] == [""]
