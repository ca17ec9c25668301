"""Code that tries to get out of a sandbox, and to take more than it may."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tci_kernel.client.schema import ExecuteRequest
from tci_kernel.core.cell import File
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server.places.installation import readable_for
from tests.server.embedded import embedded
from tests.server.processes import below, is_gone
from tests.server.sandboxes import inside, sandboxed, server_of
from tests.server.service import Service, body, rejection, text_file
from tests.support.interpreters import IPYTHONS, PLAIN, kernelspec
from tests.support.kernels import kernel
from tests.support.programs import needed
from tests.support.servers import TOKEN, ServerProcess
from tests.support.waiting import PATIENCE, until

Served = tuple[ServerProcess, Service]


@pytest.fixture(scope="module", params=["root", "user"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server with a sandbox, of whoever runs the tests and of an ordinary user."""
    with sandboxed(root=request.param == "root") as served:
        yield served


@pytest.fixture
def service(served: Served) -> Service:
    return served[1]


@pytest.fixture
def session(service: Service) -> Iterator[str]:
    with service.session() as session_id:
        yield session_id


def said(service: Service, code: str, session: str) -> str:
    """What code prints, which must not fail."""
    ran = service.run(code, session)
    assert "error" not in ran.kinds, ran.text("error")
    return ran.text().strip()


def error(service: Service, code: str, session: str) -> str:
    """The error of code, which must fail."""
    ran = service.run(code, session)
    assert ran.kinds[-1] == "error", ran.outputs
    return str(ran.outputs[-1]["data"])


# -- what works ----------------------------------------------------------------------------------


def test_code_has_its_files_its_state_and_its_programs(service: Service, session: str) -> None:
    files = [text_file("data/a.txt", "hello"), text_file("b.py", "N = 7")]
    assert service.run(
        "import b; print(open('data/a.txt').read(), b.N)", session, *files
    ).text() == ("hello 7\n")
    code = "import subprocess; print(subprocess.run(['uname'], capture_output=True).stdout, b.N)"
    assert said(service, code, session) == r"b'Linux\n' 7"
    code = "import os, getpass; print(os.getcwd() == f'/tmp/{name}', getpass.getuser())"
    assert said(service, f"name = {session!r}\n{code}", session) == "True session"
    code = "import shutil, sys; print(shutil.which('python') == sys.executable)"
    assert said(service, code, session) == "True"
    assert said(service, "from multiprocessing import Pool\nprint(Pool(2).map(abs, [-1]))", session)


def test_files_are_written_all_or_none_and_over_no_link(service: Service, session: str) -> None:
    said(service, "import os; open('old', 'w').write('kept'); os.symlink('/etc', 'out')", session)
    said(service, "open('file', 'w').close()", session)
    for bad, why in (("file/below", "is below a file"), ("out/new", "leads out")):
        files = [text_file("old", "lost"), text_file("fresh", "x"), text_file(bad, "x")]
        refused = rejection(service.post(body("1", session, files)), 400)
        assert why in refused["message"]
        assert refused["param"] == "files.2.name"
    assert said(service, "print(open('old').read(), sorted(os.listdir()))", session) == (
        "kept ['file', 'old', 'out']"
    )


def test_files_of_a_session_that_says_nothing_readable_are_refused(
    service: Service, session: str
) -> None:
    said(service, "import builtins; builtins.exec = lambda *_: print('written')", session)
    refused = rejection(service.post(body("1", session, [text_file("a")])), 400)
    assert "could not write the files" in refused["message"]


def test_files_leave_no_trace_in_the_session(service: Service, session: str) -> None:
    before = "print(In, Out, sorted(n for n in globals() if not n.startswith('_i')))"
    names = said(service, before, session)
    service.run("pass", session, text_file("a"))
    after = said(service, before, session)
    assert after.count("REQUEST") == names.count("REQUEST") == 0
    assert after.split("]", 1)[1] == names.split("]", 1)[1]


def test_who_hangs_up_interrupts_the_code_and_not_the_sandbox(
    served: Served, service: Service, session: str
) -> None:
    server, _ = served
    said(service, "import subprocess; x = 1", session)
    code = "try: subprocess.run(['sleep', '1000.25'])\nfinally: y = 2"
    connection = service.call(code, session)
    until(lambda: len(sleeping(server)) == 1, "the code runs")
    connection.close()
    assert said(service, "print(x + y)", session) == "3"


def test_a_kernel_runs_live_in_a_sandbox(served: Served) -> None:
    server, _ = served
    with kernel("tci", TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=TOKEN) as driver:
        assert driver.run("import time; print('a', flush=True); 6 * 7").text() == "a\n"
        sleeping = driver.client.execute("print('there', flush=True); time.sleep(100)")
        driver.until_published(
            sleeping, lambda message: message["msg_type"] == "stream", "its first line"
        )
        assert driver.interrupt() < 5
        assert driver.finish(sleeping).reply["ename"] == "KeyboardInterrupt"
        assert driver.run("print(time is not None)").text() == "True\n"
        status = driver.run("%tci status").only("display_data")["data"]["text/plain"]
        assert "no way out" in status


def test_the_local_kernel_can_shut_its_session_in(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("secret")
    with kernel("tci-local", "--LocalServer.sandbox=True") as driver:
        code = f"import os; print(os.path.exists({str(theirs)!r}), os.path.exists('theirs'))"
        assert driver.run(code).text() == "False False\n"
        driver.run(f"%tci upload {theirs}")
        assert driver.run("print(open('theirs').read())").text() == "secret\n"


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import os; os._exit(3)", "exit status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    ],
)
def test_how_an_interpreter_ended_is_told(service: Service, code: str, how: str) -> None:
    assert f"({how})" in error(service, code, service.run("pass").session_id)


@pytest.mark.parametrize("code", ["os._exit(3)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_files_outlive_an_interpreter_and_what_it_has_started_does_not(
    served: Served, service: Service, session: str, code: str
) -> None:
    server, _ = served
    start = "subprocess.Popen(['setsid', 'sleep', '1000.25'], start_new_session=True)"
    said(service, f"import os, subprocess; open('kept', 'w').write('k'); {start}", session)
    until(lambda: len(sleeping(server)) == 1, "it sleeps")
    found = sleeping(server)
    told = error(service, code, session)
    assert "Its variables are gone. The session and its files stay" in told
    until(lambda: all(map(is_gone, found)), "the end of what it has started")
    file = text_file("new", "n")
    ran = service.run("import os; print(open('kept').read(), open('new').read())", session, file)
    assert ran.text() == "k n\n"
    connection = service.call("import subprocess; subprocess.run(['sleep', '1000.25'])", session)
    until(lambda: len(sleeping(server)) == 1, "the code runs")
    connection.close()  # which interrupts it, as it did the first one
    assert said(service, "print(sorted(os.listdir()))", session) == "['kept', 'new']"


def test_an_interpreter_that_restarts_by_itself_finds_its_files(served: Served) -> None:
    server, _ = served
    with kernel("tci", TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=TOKEN) as driver:
        driver.run("open('kept', 'w').write('k')")
        died = driver.run("import os; os._exit(1)").reply["evalue"]
        assert "(exit status 1)" in died
        assert "files that are in it stay" in died
        assert driver.run("print(open('kept').read())").text() == "k\n"
        died = driver.run(f"import os\n{KILL_ALL}").reply["evalue"]
        assert "(killed by SIGKILL, and its sandbox with all files)" in died
        assert driver.run("print(os.listdir())").reply["ename"] == "NameError"


# What code does to the process that supervises its interpreter, and to what that uses.
KILL_ALL = "import time; os.kill(-1, 9); time.sleep(60)"  # it spares itself, for a moment
KILL_OTHERS = """
for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
    if pid > 2 and pid != os.getpid(): os.kill(pid, 9)
"""
TAKE_CONNECTION_FILE = """
import glob
[place] = glob.glob('/tmp/tci-*/kernel.json')
os.remove(place)
os.mkdir(place)
os._exit(1)
"""


def test_who_kills_all_that_runs_loses_the_files_and_reads_so(
    service: Service, session: str
) -> None:
    said(service, "import os; open('kept', 'w').close()", session)
    assert "Its variables and files are gone. The session stays" in error(
        service, KILL_ALL, session
    )
    assert said(service, "import os; print(os.listdir())", session) == "[]"


def test_an_interpreter_that_can_no_longer_be_ended_is_ended_with_its_sandbox(
    served: Served, service: Service
) -> None:
    server, _ = served
    session = service.run("import os").session_id
    found = sandbox_of(server, session)
    assert found
    said(service, KILL_OTHERS, session)
    assert said(service, "print(6 * 7)", session) == "42"
    service.end(session)
    until(lambda: all(map(is_gone, found)), "its end")


def sandbox_of(server: ServerProcess, session: str) -> list[psutil.Process]:
    """The processes that make a session's sandbox, and the first one inside: they name it."""
    found = []
    for process in below(server.process.pid):
        with suppress(psutil.Error):  # it has ended
            if session in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_where_no_other_interpreter_can_start_there_is_another_sandbox(
    service: Service, session: str
) -> None:
    said(service, "import os", session)
    assert "InterpreterDied" in error(service, TAKE_CONNECTION_FILE, session)
    refused = rejection(service.post(body("1", session)), 500)
    assert "The interpreter did not start" in refused["message"]
    assert said(service, "import os; print(os.listdir())", session) == "[]"


@pytest.mark.parametrize("name", [PLAIN, *IPYTHONS])
async def test_other_interpreters_run_in_a_sandbox(
    name: str, downloads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PATH", kernelspec(name, downloads, tmp_path))
    async with embedded(sandbox=True, kernel_name=name) as server:
        session = await server.pool.create()
        assert (
            "".join(str(each.data) for each in await server.outputs("print(1)", session)) == "1\n"
        )
        file = File("a/b.txt", "hello", "string")
        request = ExecuteRequest("print(open('a/b.txt').read())", session.id, [file])
        if name == PLAIN:  # it evaluates nothing but code
            with pytest.raises(RequestRejected, match="could not write the files"):
                await server.pool.execute(request)
        else:
            [said] = (await server.pool.execute(request)).outputs
            assert said.data == "hello\n"


# -- what is not seen ----------------------------------------------------------------------------


def test_no_files_of_other_sessions_are_seen(service: Service, session: str) -> None:
    said(service, "open('/tmp/secret', 'w').write('s'); open('secret', 'w').write('s')", session)
    with service.session() as other:
        listed = said(service, "import os; print(os.listdir('/tmp'), os.listdir())", other)
        assert session not in listed
        assert "secret" not in listed


def test_no_files_of_this_computer_are_seen(service: Service, session: str, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("secret")
    theirs.chmod(0o644)
    places = [str(theirs), str(Path(__file__)), "/etc/shadow", "/etc/hostname", "/var/log"]
    code = f"import os; print([place for place in {places!r} if os.path.exists(place)])"
    assert said(service, code, session) == "[]"
    code = (
        "import os, pwd; print([user.pw_name for user in pwd.getpwall()], os.path.expanduser('~'))"
    )
    assert said(service, code, session) == "['session'] /tmp"


def test_nothing_of_this_computer_can_be_changed(service: Service, session: str) -> None:
    code = """
import os, sys
for place in ('/', '/usr', '/etc', '/dev', '/proc/sys/kernel', sys.prefix, sys.base_prefix):
    try:
        open(os.path.join(place, 'tci-was-here'), 'w')
        print(place)
    except OSError:
        pass
"""
    assert said(service, code, session) == ""


def test_the_servers_environment_token_and_sockets_are_not_seen(
    served: Served, service: Service, session: str
) -> None:
    code = """
import glob, os
texts = [repr(os.environ)]
for name in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):
    try: texts.append(open(name).read())
    except OSError: pass
print('token' in ' '.join(texts), 'TOKEN' in ' '.join(texts), len(texts))
print(open('/proc/net/unix').read().count('\\n') < 30, sorted(os.environ)[:3])
"""
    seen = said(service, code, session)
    assert seen.startswith("False False"), seen
    assert "True ['CLICOLOR'" in seen, seen
    server, _ = served
    code = f"""
import socket
for address in (('127.0.0.1', {urlsplit(server.base_url).port}), ('192.0.2.1', 80)):
    try: print(socket.create_connection(address, timeout=2))
    except OSError as error: print(error.errno)
"""
    assert said(service, code, session).split() == ["111", "101"]


def test_no_processes_of_this_computer_are_seen(
    served: Served, service: Service, session: str
) -> None:
    code = "import os; print(max(int(name) for name in os.listdir('/proc') if name.isdigit()))"
    assert int(said(service, code, session)) < 1000
    server, _ = served
    code = f"os.kill({server.process.pid}, 0)"
    assert "ProcessLookupError" in error(service, code, session)


def test_it_has_no_rights_and_can_get_none(service: Service, session: str) -> None:
    code = (
        "print([line.split() for line in open('/proc/self/status') if line[:3] in ('Cap', 'NoN')])"
    )
    for name, value in json.loads(said(service, code, session).replace("'", '"')):
        assert int(value, 16) == (1 if name == "NoNewPrivs:" else 0), name
    code = (
        "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000), ctypes.CDLL(None).chroot('/'))"
    )
    assert said(service, code, session) == "-1 -1"


@pytest.mark.parametrize("network", [False, True])
def test_the_network_is_there_only_if_it_is_asked_for(network: bool) -> None:
    options = ["--sandbox-network"] if network else []
    with sandboxed(*options) as (server, service):
        code = f"""
import urllib.request, urllib.error
try: urllib.request.urlopen({server.base_url.removesuffix("v1") + "openapi.json"!r}, timeout=5)
except urllib.error.HTTPError as error: print(error.code)
except OSError as error: print(type(error).__name__)
else: print('here')
"""
        assert service.run(code).text() == ("here\n" if network else "URLError\n")


# -- what is bounded -----------------------------------------------------------------------------

BOMB = """
import os, time
def bomb():
    while True:
        try:
            if os.fork() == 0: os.setsid()
        except OSError: time.sleep(0.01)
bomb()
"""


@pytest.mark.parametrize("root", [True, False])
def test_a_fork_bomb_hurts_itself_alone(root: bool) -> None:
    with sandboxed(root=root) as (server, service):
        victim = service.run("pass").session_id
        connection = service.call(BOMB, victim)
        until(lambda: len(inside(server.process.pid)) > 150, "the bomb has gone off")
        assert service.run("print(1)").text() == "1\n"
        found = inside(server.process.pid)
        assert len(found) < 300
        connection.close()
    until(lambda: all(map(is_gone, found)), "all have ended with the server")


def test_what_has_ended_counts_no_more(service: Service, session: str) -> None:
    code = """
import os, subprocess
for _ in range(300):  # more than there may be at once; each leaves one that ends by itself
    if os.fork() == 0:
        os.fork()
        os._exit(0)
    os.wait()
print(subprocess.check_output(['echo', 'on']))
"""
    assert said(service, code, session) == r"b'on\n'"


def test_what_code_starts_ends_with_its_session(served: Served, service: Service) -> None:
    server, _ = served
    session = service.run("pass").session_id
    code = """
import os, subprocess, sys
subprocess.Popen(['setsid', 'sleep', '1000.25'], env={}, start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execve('/bin/sleep', ['sleep', '1000.25'], {})
    os._exit(0)
"""
    said(service, code, session)
    until(lambda: len(sleeping(server)) == 2, "both sleep")
    found = sleeping(server)
    service.end(session)
    until(lambda: all(map(is_gone, found)), "both have ended with their session")


def sleeping(server: ServerProcess) -> list[psutil.Process]:
    found = []
    for process in below(server.process.pid):
        try:
            if "1000.25" in process.cmdline() and "setsid" not in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("place", [".", "/tmp", "/dev/shm"])
async def test_a_disk_is_not_filled(place: str) -> None:
    before = shutil.disk_usage("/tmp").free
    async with embedded(sandbox=True, sandbox_files=50_000_000) as server:
        session = await server.pool.create()
        code = f"""
import os, pathlib
written = 0
try:
    for number in range(40):
        with open(pathlib.Path({place!r}, f'fill{{number}}'), 'wb') as file:
            for _ in range(10): written += file.write(bytes(1_000_000))
except OSError as error: print(error.errno, written)
"""
        [said] = await server.outputs(code, session)
        number, written = map(int, str(said.data).split())
        assert number == 28
        assert written <= 60_000_000
    assert shutil.disk_usage("/tmp").free > before - 40_000_000


def test_nothing_that_is_printed_goes_to_a_file(service: Service, session: str) -> None:
    code = """
import os
links = [os.path.realpath(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')]
print([link for link in links if link.startswith('/') and not link.startswith(('/dev/', '/proc/'))])
"""
    assert said(service, code, session) == "[]"


async def test_a_process_gets_no_more_memory_than_it_may() -> None:
    async with embedded(sandbox=True, sandbox_memory=1_000_000_000) as server:
        session = await server.pool.create()
        [told] = await server.outputs("data = bytearray(2_000_000_000)", session)
        assert "MemoryError" in str(told.data)
        [told] = await server.outputs("print(len(bytes(10_000_000)))", session)
        assert told.data == "10000000\n"


async def test_many_processes_get_no_more_memory_than_they_may() -> None:
    async with embedded(sandbox=True, sandbox_memory=600_000_000) as server:
        session = await server.pool.create()
        code = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        data = b'x' * 250_000_000
        time.sleep(100)
time.sleep(100)
"""
        told = (await server.outputs(code, session))[-1]
        assert "InterpreterDied" in str(told.data)
        assert "of memory, and may have 600.0 MB)" in str(told.data)


async def test_what_processes_share_is_counted_once() -> None:
    async with embedded(sandbox=True, sandbox_memory=600_000_000) as server:
        session = await server.pool.create()
        code = """
import os, time
data = os.urandom(1000) * 200_000
for _ in range(4):
    if os.fork() == 0:
        time.sleep(2)
        os._exit(0)
time.sleep(2); print('there')
"""
        [told] = await server.outputs(code, session)
        assert told.data == "there\n"


# -- its end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", [True, False])
def test_it_dies_with_the_server(root: bool) -> None:
    with sandboxed(root=root) as (server, service):
        service.run("import subprocess; subprocess.Popen(['setsid', 'sleep', '1000'])")
        found = inside(server.process.pid)
        assert len(found) >= 2
        server_of(server).kill()
        until(lambda: all(map(is_gone, found)), "all have ended with the server")


# -- where there is none -------------------------------------------------------------------------


def refused(
    environment: dict[str, str], *before: str, options: tuple[str, ...] = ("--sandbox",)
) -> str:
    """What `tci-kernel serve` says, which does not start."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "tci_kernel", "serve", *options],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_without_bubblewrap_the_package_is_named(tmp_path: Path) -> None:
    for program in ("prlimit", "setpriv"):
        (tmp_path / program).symlink_to(needed(program))
    said = refused({"PATH": str(tmp_path)})
    assert "The program bwrap is not installed." in said
    assert "apt-get install bubblewrap" in said


def test_a_network_without_a_sandbox_is_a_mistake() -> None:
    said = refused({}, options=("--sandbox-network",))
    assert "Add --sandbox" in said


async def test_a_kernelspec_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "kernels" / "mine" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Mine"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    async with embedded(sandbox=True, kernel_name="mine") as server:
        assert await server.run("print(1)") == "1\n"
        shutil.rmtree(spec.parent)
        with pytest.raises(RequestRejected, match="No such kernel named mine"):
            await server.run("print(1)")


def test_an_old_bubblewrap_is_named(tmp_path: Path) -> None:
    # An old one can't be had here. It tells of its options, and this one is not among them.
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho usage: bwrap\n")
    old.chmod(0o755)
    said = refused({"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert "bubblewrap is older than 0.8" in said


def test_where_namespaces_are_forbidden_the_setting_is_named() -> None:
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    said = refused({}, "unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh")
    assert "A sandbox can't be had here: bwrap: " in said
    assert "The kernel's setting user.max_user_namespaces is 0" in said
    assert "sysctl -w user.max_user_namespaces=" in said


def test_a_program_of_the_system_needs_no_more_than_every_sandbox_shows() -> None:
    assert [readable_for(program) for program in ("/bin/sh", "sh", "/usr/bin/env")] == [()] * 3


def test_an_interpreter_among_peoples_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="Install it in a directory of its own"):
        readable_for(str(python))
