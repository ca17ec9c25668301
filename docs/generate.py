"""Writes into the documents what is made from the code. Run as `make docs`."""

from __future__ import annotations

from pathlib import Path

from tci_kernel import failures
from tests.differential.expected_differences import table as differences

DIRECTORY = Path(__file__).parent

# Of each page, what stands after its mark.
PAGES = {
    "failures.md": ("<!-- made from tci_kernel/failures.py -->\n\n", failures.table),
    "differences.md": ("<!-- made from tests/differential -->\n\n", differences),
}


def generated(name: str) -> str:
    """A page as it should be: its own text, and what is made from the code."""
    mark, make = PAGES[name]
    text, _, _ = (DIRECTORY / name).read_text().partition(mark)
    return text + mark + make()


if __name__ == "__main__":
    for page in PAGES:
        (DIRECTORY / page).write_text(generated(page))
