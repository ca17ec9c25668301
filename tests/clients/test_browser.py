"""Notebooks in JupyterLab and Notebook 7, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import get_kernel_spec
from playwright.sync_api import Page, expect

from tests.clients.jupyter_server import JupyterServer, jupyter_server, on_kernel
from tests.clients.notebook_page import SLIDER_BAR, NotebookPage
from tests.clients.pictures import VIEW, picture
from tests.support.servers import ServerProcess
from tests.support.tour import TOUR

KERNELS = ("tci-local", "tci")


def test_both_kernels_are_in_the_launcher(jupyter: JupyterServer, page: Page) -> None:
    page.goto(jupyter.address("lab/workspaces/launcher"))
    for name in KERNELS:
        title = get_kernel_spec(name).display_name
        card = page.locator(f'.jp-LauncherCard[title="{title}"]').first
        logo = card.locator("img")
        expect(logo).to_be_visible()
        assert logo.evaluate("image => image.complete && image.naturalWidth > 0")
        label = card.locator(".jp-LauncherCard-label p, p.jp-LauncherCard-label").first
        expect(label).to_have_text(title)
        assert label.evaluate("text => text.scrollHeight <= text.clientHeight"), "it is cut off"
    picture(page, "launcher", 460)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_tour_runs(jupyter: JupyterServer, page: Page, interface: str, kernel: str) -> None:
    name = f"tour-{interface}-{kernel}.ipynb"
    book = on_kernel(nbformat.read(TOUR, as_version=4), kernel)
    nbformat.write(book, jupyter.folder / name)
    notebook = NotebookPage.open(page, jupyter, interface, name)
    notebook.menu("Run", "Run All Cells")
    count = notebook.cells.count()
    for index in range(count):
        notebook.expect_number(index, index + 1)
    outputs = page.locator(".jp-OutputArea-child")
    for shown in (
        "table.dataframe",
        "img[src^='data:image/png']",
        "mjx-container",
        ".jp-RenderedSVG img",
    ):
        expect(outputs.locator(shown).first).to_be_attached()
    error = outputs.filter(has_text="ValueError: a count must be a whole number")
    expect(error).to_contain_text(re.compile(r"Cell In\[\d+\], line 3, in read_count\(text\)"))
    expect(error.locator(".ansi-red-fg").first).to_be_attached()
    expect(outputs.locator(SLIDER_BAR)).to_be_visible()
    plot = notebook.output(5).locator("img")
    plot.click()
    expect(plot).to_be_in_viewport(ratio=0.99)
    notebook.picture("jupyterlab", VIEW["height"])


TCI_LINES = {
    "%%local\nlimits = {'low': 1}\nfor i in 1, 2: open(f'notes{i}.txt', 'w').write('notes')": "",
    "x = 1": "",
    "%tci": "Round trip",
    "%tci sessions": "Requests",
    "%tci upload notes*.txt --to inputs": "Uploaded 2 files (10 B) to inputs",
    "%tci ls inputs": "notes2.txt",
    "%tci download inputs --to back": "Downloaded 2 files (10 B) to back",
    "%tci push limits\n%tci pull x": "Pulled x",
    "%tci rm -r inputs": "Removed inputs.",
    "%tci config": "TCIKernel.local",
    "%tci help": "%tci upload PATH...",
    "%tci replay\nprint(x)": "In a new session, cells were run again: 1.",
    "%tci upload --help": "Usage: %tci upload [OPTIONS] PATH...",
    "%tci nosuch": "UsageError: No such command 'nosuch'.",
    "%tci new": "To come back to the old one: %tci attach ses_",
}


def test_each_tci_line_works_and_completes(jupyter: JupyterServer, page: Page) -> None:
    lines = [*TCI_LINES, "%tci attach ", "print(x)", "%tci s", "%tci upload n"]
    jupyter.write("lines.ipynb", "tci-local", *lines)
    notebook = NotebookPage.open(page, jupyter, "lab", "lines.ipynb")
    for index, shown in enumerate(TCI_LINES.values()):
        expect(notebook.run(index, index + 1)).to_contain_text(shown)
    for index in (2, 3, 5, 9, 10):
        expect(notebook.output(index).locator("table")).to_be_visible()
    count = len(TCI_LINES)
    attach = re.search(r"%tci attach (\S+)", notebook.output(count - 1).inner_text())
    assert attach is not None
    old = attach[1]
    notebook.editor(count).click()
    page.keyboard.press("End")
    page.keyboard.type(old)
    expect(notebook.run(count, count + 1)).to_contain_text(f"Cells now run in session {old}.")
    expect(notebook.run(count + 1, count + 2)).to_have_text("1")
    for index, choices in (
        (count + 2, ("sessions", "status", "show the session, its age")),
        (count + 3, ("notes1.txt",)),
    ):
        notebook.editor(index).click()
        page.keyboard.press("End")
        notebook.press_until_shown("Tab", ".jp-Completer")
        for choice in choices:
            expect(page.locator(".jp-Completer")).to_contain_text(choice)
        page.keyboard.press("Escape")


def test_completion_and_tooltip_know_the_session(
    jupyter: JupyterServer, page: Page, interface: str
) -> None:
    name = f"assistance-{interface}.ipynb"
    jupyter.write(name, "tci", "remote_one = 1\nremote_two = [2, 'two']", "remote_", "remote_two")
    notebook = NotebookPage.open(page, jupyter, interface, name)
    notebook.run(0, 1)
    notebook.editor(1).click()
    page.keyboard.press("End")
    notebook.press_until_shown("Tab", ".jp-Completer")
    for choice in ("remote_one", "remote_two"):
        expect(page.locator(".jp-Completer")).to_contain_text(choice)
    notebook.picture("completion", 300)
    page.keyboard.press("Escape")
    notebook.editor(2).click()
    notebook.press_until_shown("Shift+Tab", ".jp-Tooltip")
    expect(page.locator(".jp-Tooltip")).to_contain_text("[2, 'two']")


def test_a_cell_that_runs_directly_says_for_how_long_until_it_is_stopped(
    direct: JupyterServer, page: Page, interface: str
) -> None:
    name = f"stopped-{interface}.ipynb"
    direct.write(name, "tci-local", "x = 6\nimport time\ntime.sleep(60)", "x * 7")
    notebook = NotebookPage.open(page, direct, interface, name)
    notebook.begin(0)
    expect(notebook.output(0)).to_contain_text("Running for")
    notebook.expect_number(0, "*")
    notebook.picture("progress", 300)
    notebook.tool("interrupt")
    notebook.expect_number(0, 1)
    expect(notebook.output(0)).to_contain_text("KeyboardInterrupt")
    expect(notebook.run(1, 2)).to_contain_text("42")
    notebook.save()
    outputs = direct.read(name).cells[0].outputs
    assert [output.output_type for output in outputs] == ["error"]


def test_the_notice_of_a_long_cell_is_not_saved(direct: JupyterServer, page: Page) -> None:
    noticed = direct.folder / "noticed"
    wait = f"import os, time\nwhile not os.path.exists({str(noticed)!r}): time.sleep(0.01)"
    code = f"%tci status\n{wait}\nprint('done')"
    direct.write("notice.ipynb", "tci", code, "pass")
    notebook = NotebookPage.open(page, direct, "lab", "notice.ipynb")
    notebook.begin(0)
    expect(notebook.output(0)).to_contain_text("Running for")
    noticed.touch()
    notebook.expect_number(0, 1)
    expect(notebook.output(0)).to_contain_text("done")
    expect(notebook.output(0)).to_contain_text("Round trip")
    expect(notebook.output(0)).not_to_contain_text("Running for")
    notebook.save()
    status, output = direct.read("notice.ipynb").cells[0].outputs
    assert "Round trip" in status.data["text/plain"]
    assert output.text == "done\n"


def test_restart_and_run_all_begins_afresh(
    jupyter: JupyterServer, page: Page, interface: str
) -> None:
    name = f"restart-{interface}.ipynb"
    jupyter.write(name, "tci", "'x' in globals()", "x = 1", "%tci status")
    notebook = NotebookPage.open(page, jupyter, interface, name)
    notebook.run(1, 1)
    expect(notebook.run(0, 2)).to_contain_text("True")
    notebook.tool("restart-and-run")
    notebook.accept()
    notebook.expect_number(0, 1)
    expect(notebook.output(0)).to_contain_text("False")
    notebook.expect_number(1, 2)
    notebook.expect_number(2, 3)
    expect(notebook.output(2).locator("table")).to_contain_text("Session")
    expect(notebook.output(2).locator("td").first).to_have_css("text-align", "left")
    notebook.picture("status", VIEW["height"])


def test_two_notebooks_have_sessions_of_their_own(
    jupyter: JupyterServer, page: Page, interface: str
) -> None:
    notebooks = []
    for number, window in enumerate((page, page.context.new_page())):
        name = f"two-{interface}-{number}.ipynb"
        jupyter.write(name, "tci-local", f"x = {number}", "import time\ntime.sleep(2)", "x")
        notebooks.append(NotebookPage.open(window, jupyter, interface, name))
    for notebook in notebooks:
        notebook.menu("Run", "Run All Cells")
    for number, notebook in enumerate(notebooks):
        notebook.expect_number(2, 3)
        expect(notebook.output(2)).to_contain_text(str(number))


def test_without_a_key_the_notebook_asks_for_it_and_does_not_keep_it(
    server: ServerProcess, tmp_path: Path, page: Page
) -> None:
    settings = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": ""}
    with jupyter_server(tmp_path, **settings) as jupyter:
        jupyter.write("key.ipynb", "tci", "6 * 7", "7 * 7")
        notebook = NotebookPage.open(page, jupyter, "lab", "key.ipynb")
        notebook.begin(0)
        prompt = notebook.output(0).locator("input[type=password]")
        expect(prompt).to_be_visible()
        notebook.picture("key", 240)
        prompt.fill(server.token)
        prompt.press("Enter")
        notebook.expect_number(0, 1)
        expect(notebook.output(0)).to_contain_text("42")
        expect(notebook.run(1, 2)).to_contain_text("49")
        notebook.save()
        assert server.token not in (jupyter.folder / "key.ipynb").read_text()
        assert server.token not in page.content()
