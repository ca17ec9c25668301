"""A server under those who call too much, print too much, or never say what they want."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE
from urllib.parse import urlsplit

import psutil
import pytest

from tci_kernel.client.schema import Output
from tci_kernel.server import janitor_process, limits
from tci_kernel.server.calls import STOP_TIMEOUT
from tci_kernel.server.collector import OutputCollector
from tests.server.processes import below, is_gone
from tests.server.service import Service
from tests.support.servers import TOKEN, ServerProcess, serving
from tests.support.waiting import PATIENCE, until


@contextmanager
def few_files(number: int) -> Iterator[None]:
    """Have what is started meanwhile open no more than so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def many_files() -> Iterator[None]:
    """Have this process open as many files as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits.raise_file_limit()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connected(server: ServerProcess) -> socket.socket:
    parts = urlsplit(server.base_url)
    return socket.create_connection((parts.hostname, parts.port))


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_server_takes_as_many_files_as_the_system_lets_it() -> None:
    with few_files(200), serving() as server:
        soft, hard = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == min(hard, limits.MOST_FILES)


def test_connections_that_say_nothing_make_room_for_who_may_call() -> None:
    with (
        many_files(),
        serving() as server,
        Service(server.base_url, TOKEN) as service,
        ExitStack() as stack,
    ):
        session_id = service.run("x = 1").session_id
        running = service.begin("import time; time.sleep(3); print('answered')", session_id)
        soft, _ = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        most = limits.connections_for(soft)
        idle = [stack.enter_context(connected(server)) for _ in range(most + 50)]
        for connection in idle[-20:]:
            connection.sendall(b"POST /v1/tci/execute HTTP/1.1\r\nHost: 127")  # and no more
        until(lambda: sum(map(is_closed, idle)) >= 50, "the oldest to be closed")
        with Service(server.base_url, TOKEN) as another:
            assert another.run("print(x)", session_id).text() == "1\n"
        assert running.result(60).text() == "answered\n"


def test_too_few_open_files_are_said_at_the_start() -> None:
    command = f"ulimit -n 400; exec {sys.executable} -P -m tci_kernel serve"
    started = subprocess.Popen(["sh", "-c", command], stdout=PIPE, stderr=PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline().startswith("http://")
    started.terminate()
    _, said = started.communicate(timeout=PATIENCE)
    assert f"At most {limits.sessions_for(400)} sessions at once, not 64" in said
    assert "ulimit -n" in said


def test_a_session_opens_no_more_files_than_are_counted_for_it() -> None:
    with serving() as server, Service(server.base_url, TOKEN) as service:
        process = psutil.Process(server.process.pid)
        service.run("pass")
        before = process.num_fds()
        for _ in range(4):
            service.run("pass")
        assert process.num_fds() - before <= 4 * limits.FILES_PER_SESSION
    assert limits.sockets_for(64) < 1_023  # what ZeroMQ grants unasked


def test_a_killed_janitor_is_replaced_and_leaves_nothing() -> None:
    with serving() as server, Service(server.base_url, TOKEN) as service:
        first = service.run("import os; print(os.getcwd())")
        for _ in range(2):
            kill_janitor(server)
            service.run("pass")  # in a new session, for which another interpreter is started
        kill_janitor(server)
        processes = below(server.process.pid)
        server.process.terminate()
        assert server.process.wait(30) == 0
        until(lambda: all(map(is_gone, processes)), "the end of all processes")
        assert not Path(first.text().strip()).parent.exists()


def kill_janitor(server: ServerProcess) -> None:
    (janitor,) = until(partial(janitors, server), "a janitor")
    janitor.kill()
    until(partial(is_gone, janitor), "the janitor's death")


def janitors(server: ServerProcess) -> list[psutil.Process]:
    mark = janitor_process.__file__
    return [
        child
        for child in psutil.Process(server.process.pid).children()
        if not is_gone(child) and mark in child.cmdline()
    ]


def test_what_is_printed_without_end_is_kept_in_part(own_session: str, service: Service) -> None:
    code = "for number in range(200_000): print(number, 'x' * 1_000)"
    text = service.run(f"print('first')\n{code}", own_session)
    kinds = text.kinds
    assert kinds == ["stdout", "stderr", "stdout"]
    assert text.text().startswith("first\n0 x")
    assert text.text().endswith("199999 " + "x" * 1_000 + "\n")
    assert "MB of output not kept" in text.text("stderr")


def test_outputs_beyond_the_limit_go_from_the_middle() -> None:
    collector = OutputCollector(10_000)
    for number in range(1_000):
        collector.collect("display_data", {"data": {"text/plain": str(number)}})
    outputs = collector.outputs()
    shown = [one.data["text/plain"] for one in outputs if one.type == "display_data"]
    assert [one.type for one in outputs].count("stderr") == 1
    assert (shown[0], shown[-1]) == ("0", "999")
    assert 10 < len(shown) < 100


def test_prints_join_and_others_do_not() -> None:
    collector = OutputCollector()
    for text in ("a", "b"):
        collector.add_text("stdout", text)
    collector.add_text("stderr", "c")
    for text in ("d", "e"):
        collector.add_text("error", text)
    assert collector.failed
    assert collector.outputs() == [
        Output("stdout", "ab"),
        Output("stderr", "c"),
        Output("error", "d"),
        Output("error", "e"),
    ]


def test_what_code_prints_after_its_caller_has_hung_up_is_not_kept(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    code = f"""
import time
open({str(sign)!r}, 'w').close()
done, count = time.monotonic() + 8, 0
while time.monotonic() < done:
    try:
        print('x' * 100_000, flush=True)
        count += 1
    except KeyboardInterrupt: pass
"""
    with serving() as server, Service(server.base_url, TOKEN) as service:
        session_id = service.run("pass").session_id
        before = memory(server)
        call = service.call(code, session_id)
        until(sign.exists, "the code runs")
        call.close()
        printed = int(service.run("print(count)", session_id).text()) * 100_000
        assert printed > 300_000_000
        assert memory(server) - before < printed / 3


def memory(server: ServerProcess) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


def test_a_reply_that_cannot_be_read_ends_no_session(own_session: str, service: Service) -> None:
    code = """
from ipykernel.kernelapp import IPKernelApp
kernel = IPKernelApp.instance().kernel
deep = 'x'
for _ in range(900): deep = [deep]
parent, ident = kernel.get_parent(), kernel._shell_parent_ident.get()
for content in ({'deep': deep}, {'status': 'error'}, {'payload': [{'source': deep}]},
                b'[]', b'7', b'{', {}):
    kernel.session.send(kernel.shell_stream, 'execute_reply', content, parent, ident=ident)
kept = 7
"""
    service.run(code, own_session)
    assert service.run("print(kept)", own_session).text() == "7\n"


def test_a_long_path_for_temporary_files_is_replaced_by_a_short_one(tmp_path: Path) -> None:
    place = tmp_path / ("long" * 30)
    place.mkdir()
    with serving(TMPDIR=str(place)) as server, Service(server.base_url, TOKEN) as service:
        assert service.run("print(6 * 7)").text() == "42\n"
    assert list(place.iterdir()) == []


def test_a_server_that_is_told_to_stop_while_it_is_flooded_stops() -> None:
    with serving() as server, ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connected(server))
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(30) == 0


def test_an_interpreter_that_no_signal_reaches_is_ended_once_nobody_waits(service: Service) -> None:
    by_code, by_others = (service.run("kept = 1").session_id for _ in range(2))
    for process in processes_of(by_others):  # before it begins to run what it is sent
        process.send_signal(signal.SIGSTOP)
    stop = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    calls = [service.call("pass", by_others), service.call(stop, by_code)]
    for session_id in (by_code, by_others):
        until(lambda: stopped(session_id), "the interpreter is stopped")  # noqa: B023
    for call in calls:
        call.close()
    limit = STOP_TIMEOUT + PATIENCE
    for session_id in (by_code, by_others):
        until(lambda: not stopped(session_id), "its end", limit)  # noqa: B023
        assert service.run("print('kept' in globals())", session_id).text() == "False\n"


def stopped(session_id: str) -> bool:
    """Whether a process is stopped that works in a session's directory."""
    return any(process.status() == psutil.STATUS_STOPPED for process in processes_of(session_id))


def processes_of(session_id: str) -> list[psutil.Process]:
    """The processes that work in a session's directory."""
    return [
        process
        for process in psutil.process_iter(["cwd"])
        if str(process.info["cwd"]).endswith(session_id)
    ]


def test_one_piece_of_output_that_is_too_large_is_not_read() -> None:
    with serving() as server, Service(server.base_url, TOKEN) as service:
        session_id = service.run("print('x = 1')").session_id
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        ran = service.run("print('before', flush=True)\nprint('x' * 400_000_000)", session_id)
        assert ran.text() == "before\n"
        assert ran.text("stderr").startswith("Output was lost: one piece of it had more than 256")
        highest = Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
        assert int(highest) * 1024 < before + 100_000_000
        assert service.run("print(1); 2", session_id).kinds == ["stdout", "execute_result"]


STRAYS = """
import subprocess
nap = ['sleep', '600']
stray = subprocess.Popen(nap, start_new_session=True)
orphan = subprocess.check_output(['sh', '-c', 'setsid sleep 600 >/dev/null 2>&1 & echo $!'])
print(stray.pid, int(orphan))
"""


def test_what_a_session_has_started_ends_with_it(service: Service) -> None:
    sessions = [service.run("pass").session_id for _ in range(2)]
    pids = [service.run(STRAYS, session_id).text().split() for session_id in sessions]
    ended, kept = ([psutil.Process(int(pid)) for pid in each] for each in pids)
    service.end(sessions[0])
    until(lambda: all(map(is_gone, ended)), "the end of what the session has started")
    assert not any(map(is_gone, kept))
    service.end(sessions[1])
    until(lambda: all(map(is_gone, kept)), "the end of what the other has started")


# They have no mark in their environment, are in groups of their own, and one has lost its parent.
UNMARKED = """
import os, subprocess
child = subprocess.Popen(['sleep', '600'], start_new_session=True, env={})
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writing, str(os.getpid()).encode())
        os.execve('/bin/sleep', ['sleep', '600'], {})
    os._exit(0)
print(child.pid, os.read(reading, 20).decode())
"""


def unmarked(service: Service, session_id: str | None = None) -> list[psutil.Process]:
    """Start them, in a session."""
    pids = service.run(UNMARKED, session_id).text().split()
    found = [psutil.Process(int(pid)) for pid in pids]
    until(lambda: all(process.name() == "sleep" for process in found), "they sleep")
    return found


def test_what_has_no_mark_ends_with_its_session(service: Service) -> None:
    sessions = [service.run("pass").session_id for _ in range(2)]
    ended, kept = (unmarked(service, session_id) for session_id in sessions)
    service.end(sessions[0])
    until(lambda: all(map(is_gone, ended)), "the end of what the session has started")
    assert not any(map(is_gone, kept))
    service.end(sessions[1])
    until(lambda: all(map(is_gone, kept)), "the end of what the other has started")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_what_has_no_mark_ends_with_the_server(number: signal.Signals) -> None:
    with serving() as server, Service(server.base_url, TOKEN) as service:
        found = unmarked(service)
        server.process.send_signal(number)
        server.process.wait(60)
    until(lambda: all(map(is_gone, found)), "the end of what its session has started")


def test_what_has_no_mark_ends_when_its_session_expires() -> None:
    with serving("--session-lifetime", "3") as server, Service(server.base_url, TOKEN) as service:
        found = unmarked(service)
        until(lambda: all(map(is_gone, found)), "the end of what its session has started")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_server_in_a_session_of_another_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-P", "-m", "tci_kernel", "serve"]
    code = f"""
import os, subprocess
environment = {{**os.environ, 'TMPDIR': {str(tmp_path)!r}}}
inner = subprocess.Popen({command!r}, env=environment, stdout=subprocess.PIPE, text=True)
print(inner.stdout.readline())
"""
    with serving() as outer, Service(outer.base_url, TOKEN) as service:
        assert service.run(code).text().startswith("http://")
        until(lambda: [*tmp_path.iterdir()], "the inner server's directory")
        outer.process.send_signal(number)
        outer.process.wait(60)
    until(lambda: not [*tmp_path.iterdir()], "the end of the inner server's directory")
