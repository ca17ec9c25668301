"""Programs that build pages from cells: jupyter-cache, MyST-NB, and the first Jupyter Book."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import nbformat
import pytest

from tests.clients.more.pages import write_notebook, write_page
from tests.clients.more.programs import Programs

PROGRAMS = "books"

# Making the environment takes minutes where nothing of it was downloaded yet.
pytestmark = pytest.mark.timeout(600)

# Inline code needs a kernel that still runs: no other way of executing pages has one.
SPHINX = """\
extensions = ["myst_nb"]
nb_execution_mode = "inline"
"""

BOOK = """\
title: A book
execute:
  execute_notebooks: inline
"""

CONTENTS = """\
format: jb-book
root: index
chapters:
- file: notebook
"""

# How jupyter-cache begins its list of the notebooks that it ran.
RAN = "succeeded:\n- "

Built = Callable[[str], list[str]]


def sphinx(programs: Programs, folder: Path) -> list[Path]:
    """Build a site of the page with MyST-NB; gives its pages."""
    (folder / "conf.py").write_text(SPHINX)
    programs.run("sphinx-build", "--fail-on-warning", "-b", "html", ".", "out", folder=folder)
    return [folder / "out" / "index.html"]


def jupyter_book(programs: Programs, folder: Path) -> list[Path]:
    """Build a book of the page and the notebook; gives its pages."""
    (folder / "_config.yml").write_text(BOOK)
    (folder / "_toc.yml").write_text(CONTENTS)
    programs.run("jupyter-book", "build", "--warningiserror", ".", folder=folder)
    return [folder / "_build" / "html" / page for page in ("index.html", "notebook.html")]


def content(page: str) -> str:
    """A page without what stands around it, where the kernel is named for the reader's browser."""
    return page[page.index("<section") : page.rindex("</section>")]


@pytest.fixture(scope="module", params=[sphinx, jupyter_book])
def built(
    request: pytest.FixtureRequest, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Built:
    """Gives the pages of a builder, by the kernel that ran their cells."""

    @cache
    def get(name: str) -> list[str]:
        folder = tmp_path_factory.mktemp(name)
        write_page(folder, name)
        if request.param is jupyter_book:
            write_notebook(folder, name)
        return [content(page.read_text()) for page in request.param(programs, folder)]

    return get


def test_pages_are_as_with_ipykernel(built: Built, name: str) -> None:
    assert built(name) == built("python3")


def test_pages_show_what_their_cells_do(built: Built) -> None:
    page, *notebooks = built("python3")
    for shown in ("printed", "42", "<b>bold</b>", "ZeroDivisionError"):
        assert shown in page
    assert 'The number is <span class="output text_plain">6</span>' in page
    assert all("54" in notebook for notebook in notebooks)


def test_jupyter_cache_runs_a_notebook_once(programs: Programs, name: str, tmp_path: Path) -> None:
    def cached(*arguments: str, typed: str = "") -> str:
        place = str(tmp_path / "cache")
        return programs.run("jcache", *arguments, folder=tmp_path, typed=typed, JUPYTERCACHE=place)

    write_notebook(tmp_path, name)
    cached("notebook", "add", "notebook.ipynb", typed="y\n")  # it asks whether to make the cache
    assert RAN in cached("project", "execute")
    cached("notebook", "merge", "notebook.ipynb", "out.ipynb")
    _, first, second = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert first.outputs[0].text == "in the notebook\n"
    assert second.outputs[0].data["text/plain"] == "54"
    assert RAN not in cached("project", "execute")
