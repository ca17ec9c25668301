"""Notebooks as steps of a pipeline: papermill and jupytext."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

SCRIPT = """\
# ---
# jupyter:
#   kernelspec:
#     name: tci-local
#     display_name: Python (TCI, local)
#     language: python
# ---

# %% [markdown]
# # A title

# %%
x = 6

# %%
print(x * 7)
"""


def module(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", name, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def parametrised(tmp_path: Path) -> Path:
    """A notebook with a parameter, which fails where that is 5."""
    first = new_code_cell("number = 1", metadata={"tags": ["parameters"]})
    rest = [new_code_cell(code) for code in ("print(number * 2)", "1 / (number - 5)", "'later'")]
    book = new_notebook(cells=[first, *rest])
    book.metadata.kernelspec = {"name": "tci-local", "display_name": "", "language": "python"}
    path = tmp_path / "in.ipynb"
    nbformat.write(book, path)
    return path


def papermill(path: Path, number: int) -> tuple[subprocess.CompletedProcess[str], NotebookNode]:
    out = path.with_name("out.ipynb")
    ran = module("papermill", path, out, "-p", "number", str(number), "--no-progress-bar")
    return ran, nbformat.read(out, as_version=4)


def test_papermill_puts_parameters_in(parametrised: Path) -> None:
    ran, book = papermill(parametrised, 21)
    assert ran.returncode == 0, ran.stderr
    assert book.cells[1].metadata.tags == ["injected-parameters"]
    assert book.cells[2].outputs[0].text == "42\n"
    assert book.cells[4].outputs[0].data["text/plain"] == "'later'"


def test_papermill_fails_with_the_cell(parametrised: Path) -> None:
    ran, book = papermill(parametrised, 5)
    assert ran.returncode == 1
    assert "ZeroDivisionError: division by zero" in ran.stderr
    errors = [
        output.ename
        for cell in book.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    assert errors == ["ZeroDivisionError"]
    assert book.cells[-1].outputs == []


def test_jupytext_executes_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ran = module("jupytext", "--to", "ipynb", "--execute", script)
    assert ran.returncode == 0, ran.stderr
    book = nbformat.read(tmp_path / "script.ipynb", as_version=4)
    assert book.cells[-1].outputs[0].text == "42\n"
