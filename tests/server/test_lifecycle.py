"""Starts and ends of a server: what it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tci_kernel.server.server import LocalServer
from tests.server.processes import below, is_gone
from tests.server.service import JSON, Service
from tests.support.kernels import kernel
from tests.support.servers import serving
from tests.support.waiting import until


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory for temporary files, with a short path: kernels' sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as directory:
        yield Path(directory)


def _is_empty(directory: Path) -> bool:
    return not list(directory.iterdir())


def _refused(*options: str, **environment: str) -> str:
    """What `tci-kernel serve` says when it does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "tci_kernel", "serve", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "TCI_SERVER_TOKEN": "", **environment},
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_off_loopback_it_does_not_start_without_a_token(host: str) -> None:
    said = _refused("--host", host)
    assert "--token" in said
    assert "TCI_SERVER_TOKEN" in said


def test_a_port_in_use_is_a_clear_error(scratch: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _refused("--port", str(port), TMPDIR=str(scratch))
    assert f"127.0.0.1:{port}" in said
    assert "in use" in said
    assert _is_empty(scratch)


def test_an_unknown_host_is_a_clear_error() -> None:
    assert "nowhere.invalid" in _refused("--host", "nowhere.invalid", "--token", "t")


def test_an_unknown_kernel_is_a_clear_error_that_names_the_known(scratch: Path) -> None:
    said = _refused("--kernel-name", "no-such-kernel", TMPDIR=str(scratch))
    assert "no-such-kernel" in said
    assert "python3" in said
    assert _is_empty(scratch)


@pytest.mark.parametrize(
    "options",
    [
        *(("--port", value) for value in ("65536", "-1", "http")),
        *(("--max-sessions", value) for value in ("0", "-1", "1.5")),
        *(("--session-lifetime", value) for value in ("0", "-1", "nan", "inf", "soon")),
    ],
)
def test_options_that_make_no_sense_are_refused(options: tuple[str, str]) -> None:
    assert f"Invalid value for '{options[0]}'" in _refused(*options)


def test_a_lifetime_beyond_all_calendars_is_refused() -> None:
    assert "1e+300" in _refused("--session-lifetime", "1e300")


def test_it_takes_the_port_and_the_token_that_it_is_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with serving("--port", str(port), "--token", "given", token="other") as server:
        assert server.base_url == f"http://127.0.0.1:{port}/v1"
        with Service(server.base_url, "given") as service:
            assert service.sessions() == {}


# Children of many kinds, all but the first of which ignore what a terminal sends; the last two
# leave the kernel's process group, and the last of them its family too.
CHILDREN = """
import os, signal, subprocess, sys
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
nap = ['sleep', '600']
subprocess.Popen(nap, restore_signals=True)
subprocess.Popen(['sh', '-c', 'sleep 600; sleep 600'])
stray = subprocess.Popen(nap, start_new_session=True)
orphan = subprocess.check_output(['sh', '-c', 'setsid sleep 600 >/dev/null 2>&1 & echo $!'])
print(stray.pid, int(orphan))
"""


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name
)
def test_nothing_is_left_however_it_ends(
    scratch: Path, tmp_path: Path, number: signal.Signals
) -> None:
    sign = tmp_path / "sign"
    with (
        serving(TMPDIR=str(scratch)) as server,
        Service(server.base_url, server.token) as service,
    ):
        service.run("open('file', 'w').close()")
        strays = [psutil.Process(int(pid)) for pid in service.run(CHILDREN).text().split()]
        busy = service.call(f"open({str(sign)!r}, 'w').close()\nwhile True: pass")
        until(sign.exists, "the code runs")
        processes = {*below(server.process.pid), *strays}
        assert len(processes) >= 1 + 1 + 3 + 5  # itself, the janitor, kernels, children
        assert len(list(scratch.iterdir())) == 1
        server.process.send_signal(number)
        code = server.process.wait(60)
        busy.close()
    assert code == (-number if number == signal.SIGKILL else 0)
    until(lambda: all(map(is_gone, processes)), "all processes are gone")
    until(lambda: _is_empty(scratch), "all files are gone")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_is_left_of_a_session_that_is_about_to_start(
    scratch: Path, number: signal.Signals
) -> None:
    with (
        serving(TMPDIR=str(scratch)) as server,
        Service(server.base_url, server.token) as service,
    ):
        janitor = below(server.process.pid)
        call = service.call("1")
        until(lambda: len(below(server.process.pid)) > len(janitor), "one starts")
        processes = below(server.process.pid)
        server.process.send_signal(number)
        server.process.wait(60)
        call.close()
    until(lambda: all(map(is_gone, processes)), "all processes are gone")
    until(lambda: _is_empty(scratch), "all files are gone")


@pytest.mark.parametrize("kill", [False, True], ids=["shutdown", "SIGKILL"])
def test_a_local_kernel_takes_its_server_with_it(scratch: Path, kill: bool) -> None:
    with kernel("tci-local", TMPDIR=str(scratch)) as driver:
        assert driver.run("print(1)").text() == "1\n"
        pid = getattr(driver.manager.provisioner, "pid", None)
        assert isinstance(pid, int)
        processes = below(pid)
        # The kernel, its janitor, and the session's interpreter, which runs its cells.
        assert len(processes) == 3
        assert not _is_empty(scratch)
        if kill:
            processes[0].kill()
    until(lambda: all(map(is_gone, processes)), "all processes are gone")
    until(lambda: _is_empty(scratch), "all files are gone")


async def test_an_embedded_server_is_for_its_process_alone_and_ends_with_it(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python has read TMPDIR already, and an embedded server has no process of its own.
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = below(os.getpid())
    servers = [LocalServer.embed(), LocalServer.embed()]
    server = servers[0]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", server.base_url)
    assert len({one.token for one in servers}) == 2
    assert all(len(one.token) >= 32 for one in servers)

    session_id = await server.open_session()
    request = {"language": "python", "code": "print('hello')", "session_id": session_id}
    async with httpx.AsyncClient(base_url=server.base_url, headers=JSON, trust_env=False) as http:
        assert (await http.post("/tci/execute", json=request)).status_code == 401
        http.headers["Authorization"] = f"Bearer {server.token}"
        answer = (await http.post("/tci/execute", json=request, timeout=60)).json()
        assert answer["data"]["outputs"] == [{"type": "stdout", "data": "hello\n"}]
    started = [process for process in below(os.getpid()) if process not in before]
    assert len(started) >= 3  # two janitors, a kernel

    for one in servers:
        await one.aclose()
    assert all(map(is_gone, started))
    assert _is_empty(scratch)
    async with httpx.AsyncClient(base_url=server.base_url, trust_env=False) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("/tci/sessions")
