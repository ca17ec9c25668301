"""Scripts as processes: how they end, also where they forget to close, or are stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tci_kernel import Client
from tests.api.conftest import environment
from tests.cli.commands import Commands
from tests.support.faulty import SESSION, faulty_server, stall
from tests.support.kernels import kernel
from tests.support.keyrings import FileKeyring, backend
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE, until

# A script that is left in the middle of a loop of events, and nothing is closed.
FORGETS = """\
from tci_kernel import Client

client = Client(local={local})
session = client.session()
stream = session.execute("import os, time; print(os.getpid()); time.sleep(600)")
print(next(stream).text, end="")
{then}
"""

STOPPED = """\
from tci_kernel import Client

with Client() as client, client.session(keep=True) as session:
    session.run("import time\\nended = 'no'")
    print(session.id)
    code = "try:\\n    print('begun')\\n    time.sleep(600)\\nfinally:\\n    ended = 'yes'"
    for event in session.execute(code):
        print(event, flush=True)
"""

Script = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def script(server: ServerProcess, home: Path) -> Iterator[Script]:
    """Starts a script that has the shared server in its environment; none outlives the test."""
    with ExitStack() as stack:

        def start(code: str, **more: str) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", code],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={**environment(server, home), **more},
                )
            )
            stack.callback(process.kill)
            return process

        yield start


@pytest.mark.parametrize(
    ("then", "status", "said"),
    [("", 0, ""), ("1 / 0", 1, "ZeroDivisionError: division by zero\n")],
)
@pytest.mark.parametrize("local", [True, False])
def test_a_script_that_forgets_to_close_ends_at_once(
    local: bool, then: str, status: int, said: str, script: Script
) -> None:
    process = script(FORGETS.format(local=local, then=then))
    out, err = process.communicate(timeout=PATIENCE)  # its code would take ten minutes

    assert process.returncode == status
    assert err.endswith(said)
    assert err.count("Traceback") == bool(said)
    assert said or not err
    if local:
        until(lambda: not psutil.pid_exists(int(out)), "its interpreter has ended")


def test_ctrl_c_stops_the_code_and_the_script(script: Script, server: ServerProcess) -> None:
    process = script(STOPPED)
    assert process.stdout is not None
    session_id = process.stdout.readline().strip()
    assert "begun" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == -signal.SIGINT
    assert err.endswith("KeyboardInterrupt\n")
    with Client(base_url=server.base_url, api_key=server.token) as client:
        assert client.session(session_id).run("print(ended)").stdout.endswith("yes\n")


def test_ctrl_c_ends_a_request_that_nobody_answers(script: Script) -> None:
    over = threading.Event()
    with faulty_server([]) as service:
        service.listed = stall(over)
        process = script(
            "from tci_kernel import Client\nwith Client() as client: client.sessions()",
            TOGETHER_BASE_URL=service.base_url,
        )
        until(lambda: service.requests, "the request has arrived")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        over.set()

    assert process.returncode == -signal.SIGINT
    assert err.endswith("KeyboardInterrupt\n")


def test_a_cell_of_an_ordinary_notebook_runs_code_in_a_session(
    server: ServerProcess, home: Path
) -> None:
    with kernel("python3", **environment(server, home)) as notebook:
        ran = notebook.run(
            "import asyncio\nfrom tci_kernel import Client\n"
            "print(asyncio.get_event_loop().is_running())\n"
            "with Client() as client, client.session() as session:\n"
            "    print(session.run('6 * 7').value.text)\n"
            "    print(session.id in {listed.id for listed in client.sessions()})"
        )
    assert (ran.text(), ran.text("stderr")) == ("True\n42\nTrue\n", "")


def test_the_key_is_looked_up_in_the_keyring(script: Script, tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    commands.environment |= backend(FileKeyring, tmp_path / "keyring.json")
    with faulty_server([]) as service:
        commands.use(service.base_url)
        assert commands.run("login", given="k-1\n").returncode == 0
        code = "from tci_kernel import Client\nprint(Client().sessions())"
        out, err = script(code, **commands.environment).communicate(timeout=PATIENCE)

    assert (out.count(SESSION), err) == (1, "")
    assert service.requests[-1].headers["authorization"] == "Bearer k-1"
