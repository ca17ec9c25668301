"""The files of sessions in JupyterLab's side bar, by jupyter-fs, as docs/files.md sets it up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import fsspec
import pytest
from playwright.sync_api import Page, expect

from tests.clients.conftest import address
from tests.clients.jupyter_server import JupyterServer, jupyter_server
from tests.clients.notebook_page import NotebookPage
from tests.documents.pages import PAGES, blocks
from tests.server.service import Service
from tests.support.servers import ServerProcess, serving


@dataclass(frozen=True)
class Lab:
    """JupyterLab with jupyter-fs, and the service whose sessions it shows."""

    jupyter: JupyterServer
    service: ServerProcess


def configuration() -> str:
    """What the document says that Jupyter Server's configuration file needs."""
    page = next(page for page in PAGES if page.name == "files.md")
    [found] = [block.text for block in blocks(page) if "JupyterFs" in block.text]
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("jupyter")
    directory = home / "jupyter_config_dir"
    directory.mkdir()
    (directory / "jupyter_server_config.py").write_text(configuration())
    with serving() as service, jupyter_server(home, disabled=(), **address(service)) as jupyter:
        yield Lab(jupyter, service)


def test_files_are_shown_opened_and_saved_while_a_cell_runs(lab: Lab, page: Page) -> None:
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
    lab.jupyter.write("made.ipynb", "tci", "open('made.txt', 'w').write('made there')", wait)
    notebook = NotebookPage.open(page, lab.jupyter, "lab", "made.ipynb")
    notebook.run(0, 1)
    notebook.begin(1)
    notebook.expect_number(1, "*")
    with Service(lab.service.base_url, lab.service.token) as service:
        [session_id] = service.sessions()
    page.get_by_role("tab", name="Sessions").click()
    shown = page.locator(".jp-tree-finder-sidebar")
    shown.get_by_text(session_id).dblclick()
    shown.get_by_text("made.txt").dblclick()
    editor = page.locator(".jp-FileEditor .cm-content")
    expect(editor).to_have_text("made there")
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(", changed here")
    with page.expect_response(  # JupyterLab saves its own arrangement, too
        lambda answer: answer.request.method == "PUT" and "made.txt" in answer.url
    ):
        page.keyboard.press("Control+s")
    options = {"api_key": lab.service.token, "base_url": lab.service.base_url}
    files = fsspec.filesystem("tci", **options)
    assert files.cat(f"tci://{session_id}/made.txt") == b"made there, changed here"
    files.touch(f"tci://{session_id}/go")
    page.get_by_role("tab", name=re.compile("made.ipynb")).click()
    notebook.expect_number(1, 2)
