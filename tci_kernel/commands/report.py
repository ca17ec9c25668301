"""How a command shows what it found: as short text, and as a tidy HTML table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from html import escape

from tci_kernel.core.messages import Message, display
from tci_kernel.core.text import WIDTH, printable, wrapped

# Jupyter's pages would set cells at the right, as they do numbers.
_LEFT = 'style="text-align: left"'

# Between the columns of a table, and characters that a narrow one still has.
_GAP = "  "
_NARROWEST = 20


def message(text: str) -> Message:
    """A line or two of text."""
    shown = [printable(line) for line in text.split("\n")]
    lines = "<br>".join(map(escape, shown))
    return display({"text/plain": wrapped("\n".join(shown)), "text/html": f"<p>{lines}</p>"})


def facts(pairs: Iterable[tuple[str, str]]) -> Message:
    """Names and what they stand for, one a line."""
    rows = [(printable(name), printable(value)) for name, value in pairs]
    cells = "".join(
        f"<tr><th {_LEFT}>{escape(name)}</th><td {_LEFT}>{escape(value)}</td></tr>"
        for name, value in rows
    )
    html = f"<table><tbody>{cells}</tbody></table>"
    return display({"text/plain": _aligned(rows), "text/html": html})


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> Message:
    """A table; the text `empty` where there are no rows."""
    if not rows:
        return message(empty)
    rows = [[printable(cell) for cell in row] for row in rows]
    head = "".join(f"<th {_LEFT}>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td {_LEFT}>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    html = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return display({"text/plain": _aligned([columns, *rows]), "text/html": html})


def titled(text: str, body: Message) -> Message:
    """Something with a line or two of text above it."""
    above, below = message(text).content["data"], body.content["data"]
    return display({kind: f"{above[kind]}\n{below[kind]}" for kind in above})


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns; where a line would be too long, the widest one is wrapped."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widest = max(range(len(widths)), key=widths.__getitem__)
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - WIDTH
    if excess > 0:
        widths[widest] = max(widths[widest] - excess, _NARROWEST)
    return "\n".join(line for row in rows for line in _lines(row, widths))


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """A row of cells as lines. A word that is wider than its column stays whole."""
    cells = [
        textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False)
        if len(cell) > width
        else [cell]
        for cell, width in zip(row, widths, strict=True)
    ]
    return [
        _GAP.join(
            f"{cell[number] if number < len(cell) else '':{width}}"
            for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
        for number in range(max(map(len, cells)))
    ]
