"""Programs that take notebooks for tests: nbval, nbmake, testbook."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.clients.jupyter_server import notebook_for
from tests.clients.more.programs import Programs

PROGRAMS = "notebooks"

# Making the environment takes minutes where nothing of it was downloaded yet.
pytestmark = pytest.mark.timeout(600)

CELLS = (
    "x = 6\nx * 7",
    "import sys\nprint('printed')\nprint('warned', file=sys.stderr)",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))\n{'a': [1, 2]}",
    "import os\ndef double(n):\n    return n * 2\ndouble(x)",
    "1/0",
)

# What testbook's users write: a test that asks the notebook's kernel for its names.
TESTBOOK = """\
from testbook import testbook

@testbook("book.ipynb", execute=True, kernel_name={name!r})
def test_the_notebook(tb):
    assert tb.cell_output_text(0) == "42"
    assert tb.ref("double")(4) == 8
    assert tb.ref("x") == 6
    tb.inject("y = x + 1")
    assert tb.get("y") == {y}
    with tb.patch("os.getcwd") as patched:
        tb.inject("os.getcwd()")
        patched.assert_called_once()
    with tb.patch_dict("os.environ", {{"FROM_TESTBOOK": "1"}}):
        assert tb.value("os.environ['FROM_TESTBOOK']") == "1"
"""


@pytest.fixture(scope="module")
def book() -> NotebookNode:
    """A notebook with the outputs that ipykernel gives it."""
    made = notebook_for("python3", *CELLS)
    made.cells[-1].metadata.tags = ["raises-exception"]
    NotebookClient(made, kernel_name="python3").execute()
    return made


def checked(programs: Programs, folder: Path, *options: str, status: int = 0) -> str:
    """Run pytest in a folder."""
    return programs.run("pytest", "-p", "no:cacheprovider", *options, folder=folder, status=status)


def outputs(book: NotebookNode) -> list[list[dict[str, Any]]]:
    """What the cells show, without the traces of an error, which have colours and paths."""
    return [
        [{**output, "traceback": None} for output in cell.outputs]
        for cell in book.cells
        if cell.cell_type == "code"
    ]


def test_nbval_finds_the_outputs_of_ipykernel(
    programs: Programs, name: str, book: NotebookNode, tmp_path: Path
) -> None:
    nbformat.write(book, tmp_path / "book.ipynb")
    said = checked(programs, tmp_path, "--nbval", "--nbval-kernel-name", name)
    assert f"{len(CELLS)} passed" in said


def test_nbval_fails_where_an_output_is_another(
    programs: Programs, name: str, book: NotebookNode, tmp_path: Path
) -> None:
    changed = deepcopy(book)
    changed.cells[0].outputs[0].data["text/plain"] = "43"
    nbformat.write(changed, tmp_path / "book.ipynb")
    said = checked(programs, tmp_path, "--nbval", "--nbval-kernel-name", name, status=1)
    assert f"1 failed, {len(CELLS) - 1} passed" in said


def test_nbmake_writes_the_outputs_of_ipykernel(
    programs: Programs, name: str, book: NotebookNode, tmp_path: Path
) -> None:
    path = tmp_path / "book.ipynb"
    empty = notebook_for(name, *CELLS)
    empty.cells[-1].metadata.tags = ["raises-exception"]
    nbformat.write(empty, path)
    assert "1 passed" in checked(programs, tmp_path, "--nbmake", "--overwrite")
    assert outputs(nbformat.read(path, as_version=4)) == outputs(book)


def test_nbmake_fails_with_the_cell(programs: Programs, name: str, tmp_path: Path) -> None:
    nbformat.write(notebook_for(name, "x = 1", "x / 0", "'later'"), tmp_path / "book.ipynb")
    said = checked(programs, tmp_path, "--nbmake", status=1)
    assert "x / 0" in said
    assert "division by zero" in said


def test_testbook_uses_the_notebooks_names(
    programs: Programs, name: str, book: NotebookNode, tmp_path: Path
) -> None:
    nbformat.write(book, tmp_path / "book.ipynb")
    (tmp_path / "test_right.py").write_text(TESTBOOK.format(name=name, y=7))
    (tmp_path / "test_wrong.py").write_text(TESTBOOK.format(name=name, y=8))
    said = checked(programs, tmp_path, status=1)
    assert "assert 7 == 8" in said
    assert "1 failed, 1 passed" in said
