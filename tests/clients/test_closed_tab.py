"""A tab that is closed while a cell runs: what the page shows that is opened in its place.

JupyterLab alone has the page write outputs into the notebook. jupyter-server-nbmodel has the server
run the cells, and jupyter-collaboration gives it the notebook to write into.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.reader import NotJSONError
from playwright.sync_api import Page, expect

from tests.clients.conftest import address
from tests.clients.jupyter_server import JupyterServer, jupyter_server
from tests.clients.notebook_page import NotebookPage
from tests.support.cache import kept
from tests.support.environments import make_environment
from tests.support.servers import ServerProcess
from tests.support.waiting import until

# They would change every Jupyter server of this environment, and so have one of their own.
LONG_JOBS = (
    "jupyterlab==4.6.6",
    "jupyter-server-nbmodel==0.2.9",
    "jupyter-collaboration==5.0.4",
)

# As the documents have it.
SETTING = "c.YDocExtension.document_cleanup_delay = None\n"


@pytest.fixture(scope="module")
def environment(downloads: Path) -> Path:
    """The environment that has JupyterLab and both extensions, and no kernel of ours."""
    place = downloads / "_".join(LONG_JOBS)
    return kept(place, lambda directory: make_environment(directory, *LONG_JOBS))


@pytest.fixture(scope="module")
def long_jobs(
    environment: Path, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterServer]:
    """JupyterLab with both extensions, and with the kernels of this environment."""
    home = tmp_path_factory.mktemp("jupyter")
    install = (sys.executable, "-m", "tci_kernel", "install", "--prefix", str(home))
    subprocess.run(install, check=True, capture_output=True)
    configuration = home / "jupyter_config_dir"
    configuration.mkdir()
    (configuration / "jupyter_server_config.py").write_text(SETTING)
    variables = {**address(server), "JUPYTER_PATH": str(home / "share" / "jupyter")}
    python = environment / "bin" / "python"
    with jupyter_server(home, python=python, **variables) as started:
        yield started


@pytest.fixture(params=["tci-local", "tci"])
def kernel(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Job:
    """A cell that prints one part after another, each when it is let.

    Args:
        folder: where it looks for files that let it go on.
        name: the beginning of their names.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name

    @property
    def code(self) -> str:
        """The cell."""
        lines = (
            "import os, time",
            "for part in range(1, 5):",
            f"    while not os.path.exists(f'{self._path}.{{part}}'): time.sleep(0.01)",
            "    print('part', part)",
            f"    open(f'{self._path}.{{part}}.printed', 'w').close()",
        )
        return "\n".join(lines)

    def print(self, part: int) -> None:
        """Let it print a part, and wait until it has."""
        printed = self._path.with_name(f"{self._path.name}.{part}.printed")
        self._path.with_name(f"{self._path.name}.{part}").touch()
        until(printed.exists, f"part {part} is printed")


def parts(last: int) -> str:
    """What a job has printed by then."""
    return "".join(f"part {part}\n" for part in range(1, last + 1))


def saved(server: JupyterServer, name: str) -> NotebookNode:
    """The first cell of a notebook as its file has it; nothing while the server writes that."""
    with suppress(NotJSONError):
        cell: NotebookNode = server.read(name).cells[0]
        return cell
    return NotebookNode(outputs=[], execution_count=None)


def has_saved(server: JupyterServer, name: str, last: int) -> bool:
    """Whether the file of a notebook has what a job has printed by then, and nothing else."""
    return [output.text for output in saved(server, name).outputs] == [parts(last)]


def patient(page: Page) -> Page:
    """A page that waits on where a busy machine takes more than 5 seconds to load a notebook."""
    question = page.get_by_role("dialog").filter(has_text="taking some time to load")
    page.add_locator_handler(
        question, lambda dialog: dialog.get_by_role("button", name="Continue waiting").click()
    )
    return page


def test_with_both_extensions_a_closed_tab_loses_nothing(
    long_jobs: JupyterServer, page: Page, kernel: str
) -> None:
    name = f"job-{kernel}.ipynb"
    job = Job(long_jobs.folder, name)
    long_jobs.write(name, kernel, job.code, "part * 10")
    notebook = NotebookPage.open(patient(page), long_jobs, "lab", name)
    notebook.begin(0)
    job.print(1)
    expect(notebook.output(0)).to_have_text(parts(1), use_inner_text=True)
    page.close()
    job.print(2)
    until(lambda: has_saved(long_jobs, name, 2), "the server has saved what came meanwhile")

    window = patient(page.context.new_page())
    again = NotebookPage.reopen(window, long_jobs, "lab", name)
    expect(again.output(0)).to_have_text(parts(2), use_inner_text=True)
    again.expect_number(0, "*")
    job.print(3)
    expect(again.output(0)).to_have_text(parts(3), use_inner_text=True)
    again.expect_number(0, "*")
    job.print(4)
    again.expect_number(0, 1)
    expect(again.output(0)).to_have_text(parts(4), use_inner_text=True)
    expect(again.run(1, 2)).to_contain_text("40")
    until(lambda: has_saved(long_jobs, name, 4), "the server has saved all of it")


def test_a_job_that_ends_while_the_tab_is_closed_is_in_the_file(
    long_jobs: JupyterServer, page: Page, kernel: str
) -> None:
    name = f"ended-{kernel}.ipynb"
    job = Job(long_jobs.folder, name)
    long_jobs.write(name, kernel, job.code)
    notebook = NotebookPage.open(patient(page), long_jobs, "lab", name)
    notebook.begin(0)
    job.print(1)
    expect(notebook.output(0)).to_have_text(parts(1), use_inner_text=True)
    page.close()
    for part in (2, 3, 4):
        job.print(part)
    until(lambda: saved(long_jobs, name).execution_count, "the server has saved the end")
    until(lambda: has_saved(long_jobs, name, 4), "the server has saved all of it")


def test_in_jupyterlab_alone_the_page_shows_busy_and_last_what_it_missed(
    jupyter: JupyterServer, page: Page, kernel: str
) -> None:
    name = f"alone-{kernel}.ipynb"
    job = Job(jupyter.folder, name)
    jupyter.write(name, kernel, job.code, "%tci last")
    notebook = NotebookPage.open(page, jupyter, "lab", name)
    notebook.begin(0)
    job.print(1)
    expect(notebook.output(0)).to_have_text(parts(1), use_inner_text=True)
    page.close()
    job.print(2)

    again = NotebookPage.reopen(page.context.new_page(), jupyter, "lab", name)
    job.print(3)
    again.wait_until_busy()
    job.print(4)
    again.wait_until_idle()
    expect(again.run(1, 2)).to_contain_text(parts(4), use_inner_text=True)
