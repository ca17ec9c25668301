"""Whole notebooks through the clients that people run without a screen."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page, expect
from traitlets.config import Config

from tests.clients.pictures import picture_between
from tests.documents.pages import ROOT
from tests.support.servers import ServerProcess
from tests.support.tour import TOUR, check_tour
from tests.support.waiting import PATIENCE


def notebook(*cells: str) -> NotebookNode:
    book: NotebookNode = new_notebook(cells=[new_code_cell(source) for source in cells])
    return book


def jupyter(command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter", command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_nbclient_stops_at_an_error() -> None:
    book = notebook("x = 1", "1/0", "print('never')")
    with pytest.raises(CellExecutionError, match="division by zero"):
        NotebookClient(book, kernel_name="tci-local").execute()
    assert book.cells[1].outputs[0].ename == "ZeroDivisionError"
    assert book.cells[2].outputs == []


def test_nbclient_goes_on_where_errors_are_allowed() -> None:
    book = notebook("x = 1", "1/0", "print('on', x)")
    NotebookClient(book, kernel_name="tci-local", allow_errors=True).execute()
    assert book.cells[1].outputs[0].evalue == "division by zero"
    assert book.cells[2].outputs[0].text == "on 1\n"
    assert [cell.execution_count for cell in book.cells] == [1, 2, 3]
    nbformat.validate(book)


def test_nbclient_at_a_remote_service(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOGETHER_BASE_URL", server.base_url)
    monkeypatch.setenv("TOGETHER_API_KEY", server.token)
    book = notebook("x = 20", "x + 22")
    NotebookClient(book, kernel_name="tci").execute()
    assert book.cells[1].outputs[0].data["text/plain"] == "42"
    assert book.metadata.language_info.name == "python"
    assert book.metadata.language_info.pygments_lexer == "ipython3"


async def test_a_notice_is_not_saved_and_what_the_cell_showed_before_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = 'c.TCIKernel.execution = "direct"\n'  # live cells show themselves
    setting += 'c.LocalServer.directory = "private"\n'  # else the file would be there already
    (tmp_path / "tci_kernel_config.py").write_text(setting)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200_000_000)
    noticed = tmp_path / "noticed"
    wait = (
        f"\nimport os, time\nwhile not os.path.exists({str(noticed)!r}): time.sleep(0.01)"
        f"\nos.remove({str(noticed)!r})"
    )
    book = notebook(
        f"%tci status{wait}\nprint('done')",
        f"%tci ls\n%tci upload large{wait}\nprint('done')",
        f"%tci new{wait}",
    )
    shown = []

    class Attended(NotebookClient):
        """A client with somebody in front of it."""

        def process_message(self, message: Any, *place: Any) -> Any:
            shown.append(str(message["content"].get("data")))
            if "Running for" in shown[-1]:
                noticed.touch()
            return super().process_message(message, *place)

    client = Attended(book, kernel_name="tci-local", resources={"metadata": {"path": tmp_path}})
    async with client.async_setup_kernel():
        assert client.kc is not None
        client.kc.allow_stdin = True
        for index, cell in enumerate(book.cells):
            await client.async_execute_cell(cell, index)
    for word in ("Running for", "Uploading"):
        assert word in "".join(shown)
        assert word not in nbformat.writes(book)
    kinds = [[output.output_type for output in cell.outputs] for cell in book.cells]
    assert kinds == [
        ["display_data", "stream"],
        ["display_data", "display_data", "stream"],
        ["display_data"],
    ]
    assert "Uploaded large (200.0 MB)" in book.cells[1].outputs[1].data["text/plain"]
    nbformat.validate(book)


def test_nbclients_timeout_interrupts_the_cell_and_goes_on() -> None:
    book = notebook("x = 1", "import time; time.sleep(60)", "x")
    limits = {"x = 1": PATIENCE, "x": PATIENCE}  # the first cell begins the session
    client = NotebookClient(
        book,
        kernel_name="tci-local",
        timeout_func=lambda cell: limits.get(cell.source, 1),
        interrupt_on_timeout=True,
        allow_errors=True,
    )
    client.execute()
    assert book.cells[1].outputs[0].ename == "KeyboardInterrupt"
    assert book.cells[2].outputs[0].data["text/plain"] == "1"


def test_without_a_key_a_headless_run_fails_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "")
    with pytest.raises(CellExecutionError, match="TOGETHER_API_KEY"):
        NotebookClient(notebook("1"), kernel_name="tci").execute()


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_nbconvert_executes_the_tour_and_makes_a_page(
    name: str, server: ServerProcess, tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOGETHER_BASE_URL", server.base_url)
    monkeypatch.setenv("TOGETHER_API_KEY", server.token)
    ran = jupyter(
        "nbconvert",
        *("--to", "notebook", "--execute", TOUR, "--output-dir", tmp_path),
        f"--ExecutePreprocessor.kernel_name={name}",
    )
    assert ran.returncode == 0, ran.stderr
    failing = check_tour(nbformat.read(tmp_path / "tour.ipynb", as_version=4))

    nbconvert = (sys.executable, "-m", "nbconvert", "--to", "examples.page.Page")
    subprocess.run([*nbconvert, str(tmp_path / "tour.ipynb")], cwd=ROOT, check=True)
    page.context.set_offline(True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "tour.html").as_uri())
    shown = page.locator(".jp-OutputArea-output")
    for what in ("img[src^='data:image/png']", "img[src^='data:image/svg']", "table.dataframe"):
        expect(shown.locator(what).first).to_be_visible()
    expect(shown.locator("math[display=block]")).to_have_count(2)
    expect(shown.filter(has_text="What the model says").locator("math")).to_have_count(3)
    expect(shown.filter(has_text='"per_mm_of_rain": ')).to_be_visible()
    expect(shown.filter(has_text="IntSlider(value=18")).to_be_visible()
    expect(shown.filter(has_text=failing.ename)).to_be_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    picture_between(page, "tour", page.locator("h2#A-plot"), page.locator("h2#Markdown"))


def test_jupyter_execute_runs_a_notebook_in_place(tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    nbformat.write(notebook("print('executed')"), path)
    ran = jupyter("execute", "--kernel_name=tci-local", "--inplace", path)
    assert ran.returncode == 0, ran.stderr
    assert nbformat.read(path, as_version=4).cells[0].outputs[0].text == "executed\n"


def test_jupyter_execute_fails_with_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    nbformat.write(notebook("raise ValueError('on purpose')"), path)
    ran = jupyter("execute", "--kernel_name=tci-local", path)
    assert ran.returncode != 0
    assert "on purpose" in ran.stderr


def test_nbconvert_makes_latex(tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    plot = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    book = notebook(plot, "from IPython.display import Latex\nLatex('$x^2$')", "1/0")
    book.cells[-1].metadata.tags = ["raises-exception"]
    nbformat.write(book, path)
    ran = jupyter(
        *("nbconvert", "--to", "latex", "--execute", path),
        "--ExecutePreprocessor.kernel_name=tci-local",
    )
    assert ran.returncode == 0, ran.stderr
    text = path.with_suffix(".tex").read_text()
    for part in ("{book_files/book_0_0.png}", "$x^2$", "division by zero"):
        assert part in text
    assert (tmp_path / "book_files" / "book_0_0.png").stat().st_size > 1_000


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_eight_notebooks_at_once(
    name: str, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOGETHER_BASE_URL", server.base_url)
    monkeypatch.setenv("TOGETHER_API_KEY", server.token)

    def run(number: int) -> str:
        book = notebook(f"x = {number}", "x * 10")
        # Files instead of ports, which one that starts beside this one could take.
        sockets = Config(KernelManager={"transport": "ipc", "ip": f"{place}/{number}"})
        client = NotebookClient(book, kernel_name=name, config=sockets)
        # `execute` would leave each thread's event loop open.
        asyncio.run(client.async_execute())
        text: str = book.cells[1].outputs[0].data["text/plain"]
        return text

    with TemporaryDirectory() as place, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(8))) == [str(number * 10) for number in range(8)]
