"""The tour notebook, and what it has to show once it ran."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode

TOUR = Path(__file__).parents[2] / "examples" / "tour.ipynb"


def check_tour(book: NotebookNode) -> NotebookNode:
    """Check an executed tour; gives the one error that it shows on purpose."""
    nbformat.validate(book)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert {mime for output in outputs for mime in output.get("data", {})} >= {
        *("text/html", "image/png", "image/svg+xml", "text/latex", "text/markdown"),
        *("application/json", "text/plain", "application/vnd.jupyter.widget-view+json"),
    }
    texts = [output.data["text/plain"] for output in outputs if "data" in output]
    for shown in ("Round trip", " counts.csv", "weekdays.csv", "Saved "):
        assert any(shown in text for text in texts), shown
    tagged = [cell for cell in book.cells if "raises-exception" in cell.metadata.get("tags", [])]
    failing: NotebookNode
    (failing,) = [output for output in outputs if output.output_type == "error"]
    assert failing in tagged[0].outputs
    assert any("Cell" in line for line in failing.traceback)
    return failing
