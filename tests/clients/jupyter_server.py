"""Jupyter's servers as processes: `jupyter lab`, which serves Notebook 7 as well, and others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import nbformat
from jupyter_client.kernelspec import get_kernel_spec
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from tests.support.waiting import until

TOKEN = "a-token-for-browsers"

# Asks Jupyter's server for files that only one with an extension of its own knows of.
BESIDE = "jupyter-fs"

# No question about news, and nothing asked of the network.
QUIET = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false"}}


@dataclass(frozen=True)
class JupyterServer:
    """Where it listens, and the folder whose notebooks it shows."""

    url: str
    folder: Path

    def write(self, name: str, kernel: str, *cells: str) -> None:
        """Put a notebook into the folder."""
        nbformat.write(notebook_for(kernel, *cells), self.folder / name)

    def read(self, name: str) -> NotebookNode:
        """A notebook as it is saved."""
        book: NotebookNode = nbformat.read(self.folder / name, as_version=4)
        return book

    def address(self, path: str) -> str:
        return f"{self.url}/{quote(path)}?token={TOKEN}"


def notebook_for(kernel: str, *cells: str) -> NotebookNode:
    """A notebook of code cells that runs on a kernel."""
    book: NotebookNode = new_notebook(cells=[new_code_cell(source) for source in cells])
    return on_kernel(book, kernel)


def on_kernel(book: NotebookNode, kernel: str) -> NotebookNode:
    """The notebook, which now runs on a kernel."""
    book.metadata.kernelspec = {
        "name": kernel,
        "display_name": get_kernel_spec(kernel).display_name,
        "language": "python",
    }
    return book


@contextmanager
def jupyter_server(
    home: Path, *, disabled: Sequence[str] = (BESIDE,), **environment: str
) -> Iterator[JupyterServer]:
    """Start JupyterLab at home in an empty directory, and stop it afterwards.

    Args:
        home: the directory; `jupyter_config_dir` in it may hold configuration.
        disabled: extensions of JupyterLab that are installed, and not used.
        environment: added to this process's environment.
    """
    configuration = home / "jupyter_config_dir" / "labconfig"
    configuration.mkdir(parents=True)
    page = {"disabledExtensions": dict.fromkeys(disabled, True)}
    (configuration / "page_config.json").write_text(json.dumps(page))
    settings = home / "settings"
    for name, values in QUIET.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    folder = home / "notebooks"
    folder.mkdir()
    arguments = ("--no-browser", "--allow-root", "--ServerApp.port_retries=0")
    rights = (f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}")
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(settings)
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(home / "workspaces")
    with serving_jupyter(
        *("jupyterlab", *arguments, *rights),
        home=home,
        environment=environment,
    ) as address:
        yield JupyterServer(f"http://{address}", folder)


@contextmanager
def serving_jupyter(
    module: str, *arguments: str, home: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    """Run one of Jupyter's servers with directories of its own; gives its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    directories = {
        name: str(home / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
    }
    # Kernels on files instead of ports: one that was free is at times taken before a kernel has it.
    # The path of such a file may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="j") as runtime, (home / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", module, *arguments),
                *(f"--port={port}", "--KernelManager.transport=ipc"),
            ],
            env={
                **os.environ,
                "HOME": str(home),
                **directories,
                "JUPYTER_RUNTIME_DIR": runtime,
                **environment,
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: _listens(port, process), "Jupyter's server")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"Jupyter has ended with {process.returncode}"
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
