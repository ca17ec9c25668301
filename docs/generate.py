"""Writes into the documents what is made from the code. Run as `make docs`."""

from __future__ import annotations

from pathlib import Path

from tci_kernel import failures

_MARK = "<!-- The table is made from tci_kernel/failures.py by `make docs`. -->\n\n"


def write_failures() -> None:
    """Put the table of failures at the end of its page."""
    page = Path(__file__).with_name("failures.md")
    text, mark, _ = page.read_text().partition(_MARK)
    page.write_text(text + mark + failures.table())


if __name__ == "__main__":
    write_failures()
