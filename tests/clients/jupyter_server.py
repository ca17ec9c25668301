"""Jupyter's servers as processes: `jupyter lab`, which serves Notebook 7 as well, and others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
import psutil
from jupyter_client.kernelspec import get_kernel_spec
from jupyter_client.session import Session
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from websocket import WebSocket

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
    home: Path,
    python: Path | str = sys.executable,
    *,
    disabled: Sequence[str] = (BESIDE,),
    **environment: str,
) -> Iterator[JupyterServer]:
    """Start JupyterLab at home in an empty directory, and stop it afterwards.

    Args:
        home: the directory; `jupyter_config_dir` in it may hold configuration.
        python: of the environment that has it.
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
        python=python,
    ) as address:
        yield JupyterServer(f"http://{address}", folder)


@contextmanager
def serving_jupyter(
    module: str,
    *arguments: str,
    home: Path,
    environment: Mapping[str, str],
    python: Path | str = sys.executable,
) -> Iterator[str]:
    """Run one of Jupyter's servers with directories of its own; gives its host and port."""
    (port,) = free_ports(1)
    directories = {
        name: str(home / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
    }
    # Kernels on files instead of ports: one that was free is at times taken before a kernel has it.
    # The path of such a file may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="j") as runtime, (home / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(python, "-m", module, *arguments),
                *(f"--port={port}", "--KernelManager.transport=ipc"),
            ],
            env={
                **os.environ,
                "HOME": str(home),
                **directories,
                "JUPYTER_RUNTIME_DIR": runtime,
                **environment,
            },
            cwd=home,  # where jupyter-collaboration keeps its database
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: listens(port, process), "Jupyter's server")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            _await_end(process)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Wait until a server has ended, or is about to, its kernels gone.

    At times it then waits for ever for a thread of anyio's that has nothing to do: where the signal
    comes while a request is answered.
    """
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        assert not psutil.Process(process.pid).children()
        process.kill()
        process.wait(30)


def free_ports(number: int) -> list[int]:
    """Ports of this computer that nobody listens on."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)
        ]
        return [each.getsockname()[1] for each in sockets]


def listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether somebody listens on a port yet; the process that is to must not have ended."""
    assert process.poll() is None, f"Jupyter has ended with {process.returncode}"
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def run_cell(channels: WebSocket, code: str) -> dict[str, dict[str, Any]]:
    """Run a cell; gives what comes of it by type, when its reply and its end are there.

    Args:
        channels: those of a kernel, as Jupyter's servers have them.
        code: the cell.
    """
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    request = Session().msg("execute_request", content)
    channels.send(json.dumps({**request, "channel": "shell"}, default=str))
    came: dict[str, dict[str, Any]] = {}
    # Reply and outputs come by two sockets: either can be the first to arrive.
    idle = {"execution_state": "idle"}
    while "execute_reply" not in came or came.get("status") != idle:
        message = json.loads(channels.recv())
        if message["parent_header"].get("msg_id") == request["header"]["msg_id"]:
            came[message["msg_type"]] = message["content"]
    return came
