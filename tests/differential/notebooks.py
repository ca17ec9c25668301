"""The notebooks: files of cells, which are plain text because magics are not Python.

A line `# %% title` begins a cell. `[hidden]` before the title makes it code that a client runs by
itself, and after `<<<` is what the user types when the cell asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parent / "notebooks"

# Notebooks of nothing but what can't be had where cells run directly.
LIVE = Path(__file__).parent / "live"

_MARK = "# %% "
_HIDDEN = "[hidden] "

# The first cell of every notebook: where the code runs differs, and has to be known to be ignored.
_DIRECTORY_CELL = "import os\nprint(os.getcwd())"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell, named by its title; the titles of a notebook differ.

    Attributes:
        typed: what the user answers when the cell asks; None where nobody could.
        hidden: whether it is kept out of the history.
    """

    title: str
    code: str
    typed: str | None = None
    hidden: bool = False


def topics() -> list[str]:
    """The names of the notebooks."""
    return sorted(path.stem for path in DIRECTORY.glob("*.cells"))


def read(topic: str, directory: Path = DIRECTORY) -> list[Cell]:
    """The cells of a notebook, after one that prints the working directory."""
    cells = [Cell("the working directory", _DIRECTORY_CELL)]
    # Split at the mark, and not into lines: a cell may hold characters that `splitlines` takes for
    # line ends.
    text = "\n" + (directory / f"{topic}.cells").read_text(encoding="utf-8")
    beginning, *parts = text.split("\n" + _MARK)
    assert not beginning.strip(), f"{topic}: text before the first cell"
    for part in parts:
        head, _, code = part.partition("\n")
        title, _, typed = head.partition(" <<< ")
        hidden = title.startswith(_HIDDEN)
        title = title.removeprefix(_HIDDEN)
        cells.append(Cell(title, code.removesuffix("\n"), typed or None, hidden))
    titles = [cell.title for cell in cells]
    assert len(set(titles)) == len(titles), f"{topic}: two cells have one title"
    return cells
