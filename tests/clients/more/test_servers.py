"""Kernels behind servers: JupyterHub, jupyter_kernel_client, and the second Jupyter Book."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websocket import create_connection

from tests.clients.jupyter_server import TOKEN, free_ports, listens, run_cell, serving_jupyter
from tests.clients.more.pages import write_notebook, write_page
from tests.clients.more.programs import Programs
from tests.support.programs import missing, needed
from tests.support.servers import serving
from tests.support.waiting import until

PROGRAMS = "servers"

# Making the environment takes minutes where nothing of it was downloaded yet.
pytestmark = pytest.mark.timeout(600)

PROXY = Path(__file__).with_name("proxy") / "node_modules" / ".bin" / "configurable-http-proxy"

HEADERS = {"Authorization": f"token {TOKEN}"}

# Anybody may log in; a service, which the test is, may start their servers and use them.
HUB = """\
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r} + "/{{username}}"
# Kernels on files instead of ports.
c.Spawner.args = ["--allow-root", "--KernelManager.transport=ipc"]
c.Spawner.environment = {environment!r}
c.JupyterHub.services = [{{"name": "tests", "api_token": {token!r}}}]
scopes = ["admin:users", "admin:servers", "access:servers"]
c.JupyterHub.load_roles = [{{"name": "tests", "services": ["tests"], "scopes": scopes}}]
"""

# A program that uses a kernel over HTTP. What it prints has to be the same on each kernel.
CLIENT = """\
import json, sys
from jupyter_kernel_client import JupyterKernelClient

address, token, name = sys.argv[1:]
client = JupyterKernelClient(server_url=address, token=token)
client.start(name=name)
try:
    ran = [
        client.execute("number = 6\\nwords = ['a', 'b']\\nprint('printed')\\nnumber * 7"),
        client.execute("1/0"),
        client.execute("print('seen'); 1", silent=True),
    ]
    client.set_variable("given", {"a": [1, 2.5, None]})
    found = {
        "ran": [
            [one["status"], [{**out, "traceback": None} for out in one["outputs"]]] for one in ran
        ],
        "variables": [[one["name"], one["type"]] for one in client.list_variables()],
        "number": client.get_variable("number"),
        "given": client.get_variable("given"),
        "sum": client.execute("given['a'][0] + number", variables={"other": 1})["outputs"],
        "other": client.get_variable("other"),
    }
finally:
    client.stop()
print("FOUND", json.dumps(found))
"""

# On a kernel without a session: what it gives has to be bought by a cell.
FIRST = """\
import sys
from jupyter_kernel_client import JupyterKernelClient

address, token, name = sys.argv[1:]
client = JupyterKernelClient(server_url=address, token=token)
client.start(name=name)
try:
    try:
        client.set_variable("given", 1)
    except RuntimeError as error:
        print(error)
    print(client.execute("given = 2")["status"])
    print([one["name"] for one in client.list_variables()])
finally:
    client.stop()
"""

# The second Jupyter Book downloads what its pages look like; this is a site without looks.
TEMPLATE = """\
jtex: v1
title: None
version: 1.0.0
build:
  install: 'true'
  start: 'true'
files:
  - template.yml
"""

BOOK = """\
version: 1
project:
  title: A book
  toc:
    - file: index.md
    - file: notebook.ipynb
site:
  template: ./template
"""


@pytest.fixture(scope="module")
def runtime() -> Iterator[str]:
    """A directory for files of kernels, whose paths may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="j") as place:
        yield place


@pytest.fixture(scope="module")
def hub(
    programs: Programs, runtime: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A hub; gives its address."""
    if not PROXY.exists():
        missing(PROXY.name)
    home = tmp_path_factory.mktemp("hub")
    port, hub_port, api_port = free_ports(3)
    where = ("TOGETHER_BASE_URL", "TOGETHER_API_KEY")
    environment = {name: programs.variables[name] for name in where}
    configuration = HUB.format(
        port=port,
        hub_port=hub_port,
        api_port=api_port,
        proxy=str(PROXY),
        home=str(home),
        environment={**environment, "JUPYTER_RUNTIME_DIR": runtime},
        token=TOKEN,
    )
    (home / "jupyterhub_config.py").write_text(configuration)
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [programs.directory / "bin" / "jupyterhub"],
            cwd=home,
            env=programs.variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: listens(hub_port, process) and listens(port, process), "the hub")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def jupyter(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Jupyter's server, whose kernels' sessions have what the programs' environment has."""
    options = ("--allow-root", "--no-browser", f"--IdentityProvider.token={TOKEN}")
    with (
        serving(python=programs.python) as service,
        serving_jupyter(
            *("jupyter_server", *options),
            home=tmp_path_factory.mktemp("jupyter"),
            environment={
                "TOGETHER_BASE_URL": service.base_url,
                "TOGETHER_API_KEY": service.token,
            },
            python=programs.python,
        ) as address,
    ):
        yield f"http://{address}"


def test_a_users_server_of_a_hub_runs_cells(hub: str, name: str) -> None:
    user = name  # each kernel has a user of its own
    with httpx.Client(base_url=f"http://{hub}", headers=HEADERS, timeout=60) as client:

        def asked(method: str, path: str, **content: Any) -> httpx.Response:
            return client.request(method, path, **content).raise_for_status()

        def is_ready() -> bool:
            found = asked("GET", f"/hub/api/users/{user}").json()["servers"]
            return bool(found.get("", {}).get("ready"))

        asked("POST", f"/hub/api/users/{user}")
        asked("POST", f"/hub/api/users/{user}/server")
        until(is_ready, "the server of a user")
        specs = asked("GET", f"/user/{user}/api/kernelspecs").json()["kernelspecs"]
        assert {"tci", "tci-local", "python3"} <= set(specs)
        kernel = asked("POST", f"/user/{user}/api/kernels", json={"name": name}).json()["id"]
        address = f"ws://{hub}/user/{user}/api/kernels/{kernel}/channels"
        with closing(create_connection(address, header=HEADERS, timeout=60)) as channels:
            came = run_cell(channels, "x = 6\nprint('printed')\nx * 7")
            assert came["stream"]["text"] == "printed\n"
            assert came["execute_result"]["data"] == {"text/plain": "42"}
            assert run_cell(channels, "y")["error"]["ename"] == "NameError"
            assert run_cell(channels, "x")["execute_result"]["data"] == {"text/plain": "6"}
        asked("DELETE", f"/user/{user}/api/kernels/{kernel}")
        asked("DELETE", f"/hub/api/users/{user}/server")


def used(programs: Programs, program: str, jupyter: str, name: str) -> str:
    """What a program prints that uses a kernel of a server."""
    return programs.run("python", "-c", program, jupyter, TOKEN, name, folder=programs.home)


@pytest.fixture(scope="module")
def expected(programs: Programs, jupyter: str) -> Any:
    """What jupyter_kernel_client finds on ipykernel."""
    return found_by_client(programs, jupyter, "python3")


def found_by_client(programs: Programs, jupyter: str, name: str) -> Any:
    return json.loads(used(programs, CLIENT, jupyter, name).split("FOUND")[1])


def test_a_client_runs_code_and_moves_variables_as_on_ipykernel(
    programs: Programs, jupyter: str, expected: Any, name: str
) -> None:
    found = found_by_client(programs, jupyter, name)
    assert found == expected
    assert [name for name, _ in found["variables"]] == ["given", "number", "words"]
    assert (found["number"], found["given"]) == (6, {"a": [1, 2.5, None]})


def test_a_client_is_told_that_nothing_was_set_where_there_is_no_session(
    programs: Programs, jupyter: str
) -> None:
    said = used(programs, FIRST, jupyter, "tci").splitlines()
    assert said == ["Failed to set variable given.", "ok", "['given']"]


def test_the_second_jupyter_book_has_a_server_run_its_cells(
    programs: Programs, jupyter: str, name: str, tmp_path: Path
) -> None:
    needed("node")
    write_page(tmp_path, name)
    write_notebook(tmp_path, name)
    (tmp_path / "myst.yml").write_text(BOOK)
    (tmp_path / "template").mkdir()
    (tmp_path / "template" / "template.yml").write_text(TEMPLATE)
    programs.run(
        *("jupyter-book", "build", "--execute", "--site"),
        folder=tmp_path,
        JUPYTER_BASE_URL=jupyter,
        JUPYTER_TOKEN=TOKEN,
    )
    content = tmp_path / "_build" / "site" / "content"
    page = json.loads((content / "index.json").read_text())
    assert [output["output_type"] for output in outputs_of(page)] == [
        *("stream", "execute_result", "execute_result", "error"),
    ]
    assert '"text/plain": {"content": "42"' in json.dumps(page)
    assert '"data": {"text/plain": "6"}' in json.dumps(page)
    notebook = json.loads((content / "notebook.json").read_text())
    assert [output["output_type"] for output in outputs_of(notebook)] == [
        *("stream", "execute_result"),
    ]


def outputs_of(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The outputs in a page of the second Jupyter Book, in order."""
    own = [node["jupyter_data"]] if "jupyter_data" in node else []
    below = [*node.get("children", []), *([node["mdast"]] if "mdast" in node else [])]
    return own + [output for each in below for output in outputs_of(each)]
