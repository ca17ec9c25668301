"""The interpreter that a server starts ahead of need, for the next new session."""

from __future__ import annotations

import signal
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.server import kernelspecs
from tests.server.embedded import embedded, kill
from tests.server.processes import below, interpreters, is_gone
from tests.server.service import Service, body, rejection
from tests.support.servers import ServerProcess, serving
from tests.support.waiting import until

PID = "import os; print(os.getpid())"


@contextmanager
def _serving(*options: str, **environment: str) -> Iterator[tuple[ServerProcess, Service]]:
    with (
        serving(*options, **environment) as server,
        Service(server.base_url, server.token) as service,
    ):
        yield server, service


def _spare(server: ServerProcess, *others: int) -> int:
    """Wait for the interpreter that is none of the others; gives its process id."""
    return until(
        lambda: interpreters(server.process.pid) - {*others}, "a spare interpreter starts"
    ).pop()


def _pid(service: Service, session_id: str | None = None) -> int:
    return int(service.run(PID, session_id).text())


def test_it_is_the_next_session_and_another_takes_its_place() -> None:
    with _serving() as (server, service):
        first = _spare(server)
        assert _pid(service) == first
        second = _spare(server, first)
        assert _pid(service) == second
        _spare(server, first, second)


def test_it_is_no_session_before_and_a_new_one_after() -> None:
    with _serving() as (server, service):
        _spare(server)
        assert service.sessions() == {}
        waited = datetime.now(UTC)
        ran = service.run("import os; print(os.path.basename(os.getcwd()), os.listdir(), len(In))")
        assert ran.text() == f"{ran.session_id} [] 2\n"
        assert service.run("%who", ran.session_id).text().split() == ["os"]
        row = service.sessions()[ran.session_id]
        start, end = (datetime.fromisoformat(row[key]) for key in ("started_at", "expires_at"))
        assert start > waited
        assert (end - start).total_seconds() == 3600


def test_there_are_never_more_interpreters_than_sessions_may_live() -> None:
    with _serving("--max-sessions", "2") as (server, service):
        first, second = _pid(service), _pid(service)
        assert interpreters(server.process.pid) == {first, second}
        assert rejection(service.post(body("1")), 429)["code"] == "too_many_sessions"
        assert interpreters(server.process.pid) == {first, second}

        service.end(next(iter(service.sessions())))
        spare = _spare(server, first, second)
        assert len(service.sessions()) == 1
        assert _pid(service) == spare
        assert interpreters(server.process.pid) == {second, spare}


def test_sessions_that_begin_at_once_each_have_their_own() -> None:
    with _serving("--max-sessions", "4") as (server, service):
        _spare(server)
        calls = [service.begin(PID) for _ in range(4)]
        pids = {int(call.result().text()) for call in calls}
        assert len(pids) == len(service.sessions()) == 4
        assert interpreters(server.process.pid) == pids


def test_ended_sessions_leave_no_files() -> None:
    # A short path: kernels' sockets lie below it.
    with (
        tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as scratch,
        _serving(TMPDIR=scratch) as (_, service),
    ):
        service.end(*(service.run("open('file', 'w')").session_id for _ in range(2)))
        [root] = Path(scratch).iterdir()
        # The spare interpreter's working directory, and the one with its sockets and its log.
        until(lambda: len(list(root.iterdir())) == 2, "only the spare one has files")
        assert service.run("6 * 7").kinds == ["execute_result"]


def test_one_that_dies_while_it_starts_is_replaced_and_nobody_notices(tmp_path: Path) -> None:
    gate = kernelspecs.install_gated(tmp_path, "gated")
    with _serving("--kernel-name", "gated", JUPYTER_PATH=str(tmp_path)) as (server, service):
        dead = _spare(server)
        call = service.begin(PID)
        service.sessions()  # the server has read the call by the time it answers this one
        psutil.Process(dead).kill()
        gate.touch()
        assert int(call.result().text()) != dead


def test_a_slow_start_holds_up_nobody_else(tmp_path: Path) -> None:
    gate = kernelspecs.install_gated(tmp_path, "gated")
    gate.touch()
    with _serving("--kernel-name", "gated", JUPYTER_PATH=str(tmp_path)) as (server, service):
        session_id = service.run("1").session_id
        psutil.Process(_spare(server, _pid(service, session_id))).kill()
        gate.unlink()
        call = service.begin(PID)  # of a new session, whose interpreter can't start yet
        assert service.run("6 * 7", session_id).kinds == ["execute_result"]
        assert list(service.sessions()) == [session_id]
        assert not call.done()
        gate.touch()
        call.result()
        assert len(service.sessions()) == 2


def test_a_caller_who_hangs_up_while_it_starts_leaves_none_but_the_next(tmp_path: Path) -> None:
    gate = kernelspecs.install_gated(tmp_path, "gated")
    with _serving("--kernel-name", "gated", JUPYTER_PATH=str(tmp_path)) as (server, service):
        abandoned = _spare(server)
        call = service.call("1")
        service.sessions()
        call.close()
        until(lambda: abandoned not in interpreters(server.process.pid), "it is gone")
        spare = _spare(server, abandoned)
        assert service.sessions() == {}
        gate.touch()
        assert _pid(service) == spare


def test_a_kernel_that_cannot_start_is_not_tried_again_and_again(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    fails = f'echo >> "{log}"; echo out of order; exit 3'
    kernelspecs.install(tmp_path, "broken", ["/bin/sh", "-c", fails, "{connection_file}"])
    with _serving("--kernel-name", "broken", JUPYTER_PATH=str(tmp_path)) as (_, service):
        for _ in range(3):
            assert "out of order" in rejection(service.post(body("1")), 500)["message"]
        # At the server's start, for each request, and after each.
        assert len(log.read_text()) <= 1 + 2 * 3
        kernelspecs.install(tmp_path, "broken", kernelspecs.IPYKERNEL)
        assert service.run("6 * 7").kinds == ["execute_result"]


def test_a_kernelspec_that_is_removed_is_a_clear_error(tmp_path: Path) -> None:
    kernelspecs.install(tmp_path, "brief", kernelspecs.IPYKERNEL)
    with _serving("--kernel-name", "brief", JUPYTER_PATH=str(tmp_path)) as (_, service):
        session_id = service.run("1").session_id
        (tmp_path / "kernels" / "brief" / "kernel.json").unlink()
        error = rejection(service.post(body("1")), 500)
        assert error["code"] == "interpreter_failed"
        assert "No such kernel named brief" in error["message"]
        assert list(service.sessions()) == [session_id]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("ready", [False, True], ids=["while it starts", "while it waits"])
def test_it_ends_with_its_server(tmp_path: Path, number: signal.Signals, ready: bool) -> None:
    gate = kernelspecs.install_gated(tmp_path, "gated")
    with (
        tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as scratch,
        _serving("--kernel-name", "gated", JUPYTER_PATH=str(tmp_path), TMPDIR=scratch) as (
            server,
            service,
        ),
    ):
        if ready:
            gate.touch()
            service.run("1")
        _spare(server)
        processes = below(server.process.pid)
        server.process.send_signal(number)
        assert server.process.wait(60) == (-number if number == signal.SIGKILL else 0)
        until(lambda: all(map(is_gone, processes)), "all processes are gone")
        until(lambda: not list(Path(scratch).iterdir()), "all files are gone")


async def test_one_that_died_while_it_waited_is_replaced_and_nobody_notices() -> None:
    async with embedded() as server:
        dead = await server.spare()
        await kill(dead)
        assert int(await server.run(PID)) != dead


async def test_one_that_waited_while_the_kernelspec_changed_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    kernelspecs.install(tmp_path, "marked", kernelspecs.IPYKERNEL, MARK="old")
    async with embedded(kernel_name="marked") as server:
        waited = await server.spare()
        kernelspecs.install(tmp_path, "marked", kernelspecs.IPYKERNEL, MARK="new")
        assert await server.run("import os; print(os.environ['MARK'])") == "new\n"
        assert not psutil.pid_exists(waited)


def _environment(root: Path) -> Path:
    """Make an environment, and the kernelspec "other" for it; gives where it has its packages."""
    venv.create(root / "venv", symlinks=True)
    [packages] = root.glob("venv/lib/python*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"))
    python = str(root / "venv" / "bin" / "python")
    kernelspecs.install(root, "other", [python, *kernelspecs.LAUNCHER])
    return packages


async def test_one_that_waited_while_a_package_was_installed_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editable install is a file that Python reads only when it starts."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    packages = _environment(tmp_path)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "editable.py").write_text("answer = 42")
    async with embedded(kernel_name="other") as server:
        await server.spare()
        (packages / "editable.pth").write_text(str(tmp_path / "project"))
        assert await server.run("import editable; print(editable.answer)") == "42\n"
        waited = await server.spare()
        assert int(await server.run(PID)) == waited
