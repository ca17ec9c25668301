"""How a command shows what it found: as short text, and as a tidy HTML table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from tci_kernel.core.messages import Display
from tci_kernel.session.direct.sending import duration

# Jupyter's pages would set cells at the right, as they do numbers.
_LEFT = 'style="text-align: left"'


def message(text: str) -> Display:
    """A line or two of text."""
    lines = "<br>".join(escape(line) for line in text.splitlines())
    return Display({"text/plain": text, "text/html": f"<p>{lines}</p>"})


def facts(pairs: Iterable[tuple[str, str]]) -> Display:
    """Names and what they stand for, one a line."""
    rows = list(pairs)
    width = max(len(name) for name, _ in rows)
    cells = "".join(
        f"<tr><th {_LEFT}>{escape(name)}</th><td {_LEFT}>{escape(value)}</td></tr>"
        for name, value in rows
    )
    return Display(
        {
            "text/plain": "\n".join(f"{name:{width}}  {value}".rstrip() for name, value in rows),
            "text/html": f"<table><tbody>{cells}</tbody></table>",
        }
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> Display:
    """A table; the text `empty` where there are no rows."""
    if not rows:
        return message(empty)
    lines = [columns, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    text = "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    head = "".join(f"<th {_LEFT}>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td {_LEFT}>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    html = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return Display({"text/plain": text, "text/html": html})


def titled(text: str, body: Display) -> Display:
    """Something with a line or two of text above it."""
    title = message(text)
    return Display({kind: f"{title.data[kind]}\n{body.data[kind]}" for kind in title.data})


def moment(time: datetime | None) -> str:
    """A time and how far it is from now."""
    if time is None:
        return "not known"
    seconds = (time - datetime.now(UTC)).total_seconds()
    distance = f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S} ({distance})"


def size(count: int) -> str:
    """A number of bytes."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:  # noqa: PLR2004 - the next unit
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
