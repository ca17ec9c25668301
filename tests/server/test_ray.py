"""Sessions on the nodes of a Ray cluster: `tci-kernel serve --ray`."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server.clusters import CPUS, RayCluster, cluster
from tests.server.exchanges import Client, beside, execute, said
from tests.server.processes import below, is_gone
from tests.server.service import Service, body, rejection, text_file
from tests.server.test_lifecycle import _refused as refused
from tests.support.kernels import kernel
from tests.support.programs import needed
from tests.support.servers import ServerProcess, serving
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.usefixtures("_others_end")

PID = "import os; print(os.getpid())"

# Seconds in which the loss of a session must be told.
TOLD = 10.0

# Seconds that a session waits for room.
WAIT = 5

LOOPS = ("import time\nwhile True: time.sleep(0.1)", "while True: pass")


@pytest.fixture(scope="module")
def unanswered() -> Future[str]:
    """What a server says that no cluster answers. It waits while that of the tests starts."""
    return beside(partial(refused, "--ray", "127.0.0.1:1"))


@pytest.fixture(scope="module")
def ray(unanswered: Future[str]) -> Iterator[RayCluster]:
    with cluster() as started:
        yield started


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which a server reads its settings."""
    directory = tmp_path_factory.mktemp("settings")
    (directory / "tci_kernel_config.py").write_text(f"c.LocalServer.ray_wait = {WAIT}")
    return {"JUPYTER_CONFIG_DIR": str(directory)}


@pytest.fixture(scope="module")
def server(ray: RayCluster, settings: dict[str, str]) -> Iterator[ServerProcess]:
    with serving("--ray", ray.address, **settings) as started:
        yield started


@pytest.fixture(scope="module")
def service(server: ServerProcess) -> Iterator[Service]:
    with Service(server.base_url, server.token) as client:
        yield client


@pytest.fixture(scope="module")
def shared(service: Service) -> str:
    """A session for tests that leave it alive."""
    return service.run("pass").session_id


@pytest.fixture
def _others_end(service: Service, shared: str) -> Iterator[None]:
    """A test that fails keeps no room from the next one."""
    yield
    service.end(*{*service.sessions()} - {shared})


def pid_of(service: Service, session_id: str) -> int:
    return int(service.run(PID, session_id).text())


def actor_of(pid: int) -> psutil.Process:
    """The process of the actor whose interpreter has an id."""
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


def told(service: Service, session_id: str, begin: float) -> dict[str, Any]:
    """Wait until a session that is lost is told to be; gives the error of the next call."""
    left = TOLD - (time.monotonic() - begin)
    until(lambda: session_id not in service.sessions(), "the loss is told", left)
    error = service.refusal(session_id)
    assert error["code"] == "session_ended"
    assert "was lost" in error["message"]
    return error


# -- a session ------------------------------------------------------------------------------------


def test_sessions_are_spread_over_the_nodes_and_keep_their_state(
    service: Service, ray: RayCluster, shared: str
) -> None:
    with service.session() as other:
        service.run("x = 1", shared)
        service.run("x = 2", other)
        assert service.run("print(x)", shared).text() == "1\n"
        assert service.run("print(x)", other).text() == "2\n"
        nodes = [ray.node_of(pid_of(service, one)) for one in (shared, other)]
        assert nodes[0] is not nodes[1]


def test_files_go_through_the_actor_and_a_refusal_says_which_is_at_fault(
    service: Service, shared: str
) -> None:
    large = text_file("large", "x" * 3_000_000)
    code = "import os; print(open('a/b').read(), os.path.getsize('large'))"
    assert service.run(code, shared, text_file("a/b", "here"), large).text() == "here 3000000\n"
    error = rejection(service.post(body("1", shared, [text_file("a/b/c")])), 400)
    assert error["param"] == "files.0.name"


@pytest.mark.parametrize("loop", LOOPS, ids=["sleeps", "busy"])
def test_a_caller_who_hangs_up_interrupts_the_code(
    service: Service, shared: str, tmp_path: Path, loop: str
) -> None:
    sign = tmp_path / "sign"
    service.run("n = 0", shared)
    call = service.call(f"open({str(sign)!r}, 'w').close(); n = 1\n{loop}", shared)
    until(sign.exists, "the code runs")
    call.close()
    assert service.run("print(n)", shared).text() == "1\n"  # it comes after the end of the loop


@pytest.mark.parametrize("loop", LOOPS, ids=["sleeps", "busy"])
def test_exchanges_bring_what_is_printed_and_interrupt(
    service: Service, shared: str, loop: str
) -> None:
    client = Client(service, shared)
    cell = execute(f"print('first', flush=True)\n{loop}")
    client.exchange(cell)
    assert said(client.until(lambda: bool(said(client.heard)), "output")) == "first\n"
    assert client.exchange()["running"] == [cell["header"]["msg_id"]]
    client.exchange({"channel": "interrupt"})
    assert client.replied(cell)[-1]["content"]["ename"] == "KeyboardInterrupt"
    assert set(client.post({"ping": True}).json()) == {"version", "relay", "count"}


def test_exchanges_wait_beside_each_other_and_beside_calls(service: Service, shared: str) -> None:
    waiting = [beside(partial(Client(service, shared).exchange, wait=3)) for _ in range(2)]
    assert said(Client(service, shared).run("print(1)")) == "1\n"
    assert service.run("print(2)", shared).text() == "2\n"
    assert all(one.result(PATIENCE)["took"] <= 4 for one in waiting)


def test_breakpoint_is_the_interpreters_own(service: Service, shared: str) -> None:
    assert service.run("import os; print(os.environ.get('PYTHONBREAKPOINT'))", shared).text() == (
        "None\n"
    )


def test_the_kernel_runs_cells_there(service: Service) -> None:
    where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": service.token}
    with kernel("tci", **where) as driver:
        assert driver.run("import os; print(6 * 7)").text() == "42\n"
        assert driver.run("%%writefile f\nx").reply["status"] == "ok"
        assert driver.run("print(os.listdir())").text() == "['f']\n"


def test_an_interpreter_that_dies_is_told_and_replaced(service: Service) -> None:
    with service.session() as session_id:
        service.run("x = 1; open('f', 'w').close()", session_id)
        died = service.run("import os; os._exit(3)", session_id)
        assert "InterpreterDied" in died.text("error")
        assert "exit status 3" in died.text("error")
        # Told once, with the call in which it died.
        assert service.run("import os; print(os.listdir())", session_id).text() == "['f']\n"
        pid = pid_of(service, session_id)
        psutil.Process(pid).kill()
        until(lambda: not psutil.pid_exists(pid), "the actor takes note of its end")
        assert "The interpreter has ended" in service.run("pass", session_id).text("stderr")


# -- room -----------------------------------------------------------------------------------------


def test_a_full_cluster_is_told_in_time_and_an_ended_session_makes_room(
    service: Service, ray: RayCluster, shared: str
) -> None:
    calls = [service.begin("pass") for _ in range(2 * CPUS - 1)]
    mine = [call.result(PATIENCE).session_id for call in calls]
    assert len(ray.actors()) == 2 * CPUS
    begin = time.monotonic()
    response = service.post(body("1"))
    assert WAIT <= time.monotonic() - begin < WAIT + 10
    error = rejection(response, 429)
    assert error["code"] == "cluster_full"
    assert f"in {WAIT} seconds" in error["message"]
    assert response.headers["Retry-After"] == str(WAIT)
    service.end(mine[0])
    mine[0] = service.run("pass").session_id
    assert service.run("print(1)", shared).text() == "1\n"
    service.end(*mine)
    until(lambda: len(ray.actors()) == 1, "the end of the actors")


@contextmanager
def suspended(ray: RayCluster, seconds: float) -> Iterator[None]:
    """Suspend each process that could become an actor as soon as it is there, for a while."""
    known = {*ray.actors()}
    slow: set[psutil.Process] = set()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for process in {*ray.workers()} - known - slow:
                process.suspend()
                slow.add(process)
            time.sleep(0.02)
        yield
    finally:
        for process in slow:
            process.resume()


def test_a_process_that_starts_slowly_is_not_taken_for_a_full_cluster(
    ray: RayCluster, tmp_path: Path
) -> None:
    (tmp_path / "tci_kernel_config.py").write_text("c.LocalServer.ray_wait = 1")
    with (
        serving("--ray", ray.address, JUPYTER_CONFIG_DIR=str(tmp_path)) as server,
        Service(server.base_url, server.token) as service,
    ):
        call = service.begin("print(1)")
        with suspended(ray, 3):
            assert not call.done()
        assert call.result(PATIENCE).text() == "1\n"


# -- losses ---------------------------------------------------------------------------------------

# What an interpreter starts that leaves its group.
STRAY = """
import subprocess
print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)
"""


def test_an_actor_that_is_killed_leaves_nothing_and_its_session_is_told(
    service: Service, shared: str
) -> None:
    session_id = service.run("pass").session_id
    where = Path(service.run("import os; print(os.getcwd())", session_id).text().strip())
    stray = psutil.Process(int(service.run(STRAY, session_id).text()))
    actor = actor_of(pid_of(service, session_id))
    processes = [*below(actor.pid), stray]
    call = service.begin("while True: pass", session_id)
    begin = time.monotonic()
    actor.kill()
    ended = call.result(PATIENCE)
    assert ended.text("error").startswith(f"SessionEnded: session {session_id} was lost")
    told(service, session_id, begin)
    until(lambda: all(map(is_gone, processes)), "the end of all processes")
    until(lambda: not where.parent.exists(), "the end of its files")
    assert service.run("print(1)", shared).text() == "1\n"


def test_an_actor_that_falls_silent_is_lost(service: Service, shared: str) -> None:
    session_id = service.run("pass").session_id
    client = Client(service, session_id)
    client.run("pass")
    actor = actor_of(pid_of(service, session_id))
    processes = below(actor.pid)
    waiting = beside(partial(client.post, client.fields([], wait=60)))
    begin = time.monotonic()
    actor.suspend()
    assert "silent" in told(service, session_id, begin)["message"]
    error = rejection(waiting.result(PATIENCE), 404)
    assert "was lost" in error["message"]
    until(lambda: all(map(is_gone, processes)), "the end of all processes")
    assert service.run("print(1)", shared).text() == "1\n"


def test_a_node_that_is_removed_takes_its_sessions_and_no_others(
    service: Service, ray: RayCluster, shared: str
) -> None:
    service.run("kept = 1", shared)
    stays = ray.node_of(pid_of(service, shared))
    calls = [service.begin("pass") for _ in range(2 * CPUS - 1)]  # all room there is
    begun = [call.result(PATIENCE).session_id for call in calls]
    lost = [one for one in begun if ray.node_of(pid_of(service, one)) is not stays]
    assert len(lost) == CPUS
    client = Client(service, lost[-1])
    client.run("pass")
    waiting = beside(partial(client.post, client.fields([], wait=60)))
    busy = service.begin("while True: pass", lost[0])
    begin = time.monotonic()
    ray.remove(next(node for node in ray.nodes if node is not stays))
    for session_id in lost:
        told(service, session_id, begin)
    assert "was lost" in busy.result(PATIENCE).text("error")
    assert "was lost" in rejection(waiting.result(PATIENCE), 404)["message"]
    assert service.run("print(kept)", shared).text() == "1\n"
    service.end(*{*begun} - {*lost})


# -- the server -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_server_that_ends_leaves_nothing_and_the_next_one_begins_there(
    ray: RayCluster, number: signal.Signals
) -> None:
    with (
        serving("--ray", ray.address) as server,
        Service(server.base_url, server.token) as service,
    ):
        session_id = service.run("pass").session_id
        where = Path(service.run("import os; print(os.getcwd())", session_id).text().strip())
        stray = psutil.Process(int(service.run(STRAY, session_id).text()))
        processes = [*below(actor_of(pid_of(service, session_id)).pid), stray]
        busy = service.call("while True: pass", session_id)
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE) == (-number if number == signal.SIGKILL else 0)
        busy.close()
    until(lambda: all(map(is_gone, processes)), "the end of all processes")
    until(lambda: not where.parent.exists(), "the end of all files")


def test_a_sandbox_is_on_the_node(ray: RayCluster) -> None:
    needed("bwrap")
    with (
        serving("--ray", ray.address, "--sandbox", "--session-cpus", "0") as server,
        Service(server.base_url, server.token) as service,
    ):
        session_id = service.run("pass").session_id
        code = "import getpass, os; print(getpass.getuser(), os.getcwd())"
        assert service.run(code, session_id).text() == f"session /tmp/{session_id}\n"


def test_while_the_head_is_away_sessions_go_on_and_no_other_begins(
    settings: dict[str, str],
) -> None:
    with (
        cluster(1) as own,
        serving("--ray", own.address, **settings) as server,
        Service(server.base_url, server.token) as service,
    ):
        session_id = service.run("x = 1").session_id
        own.behead()
        refused_call = beside(partial(service.post, body("1")))
        assert service.run("print(x)", session_id).text() == "1\n"
        assert session_id in service.sessions()
        assert rejection(refused_call.result(PATIENCE), 429)["code"] == "cluster_full"


# Ray gives the agents of a cluster that it starts 15 seconds, which a busy computer may exceed.
ATTEMPTS = 3


def test_sessions_in_a_cluster_of_its_own_end_with_the_server() -> None:
    with ExitStack() as stack:
        for _ in range(ATTEMPTS):
            server = stack.enter_context(serving("--ray", "local", "--session-cpus", "0.1"))
            if server.base_url:
                break
        service = stack.enter_context(Service(server.base_url, server.token))
        interpreter = pid_of(service, service.run("pass").session_id)
        processes = below(actor_of(interpreter).pid)
        server.process.kill()
        until(lambda: all(map(is_gone, processes)), "the end of all processes of the session")


def test_a_cluster_that_does_not_answer_is_a_clear_error(unanswered: Future[str]) -> None:
    said = unanswered.result(PATIENCE)
    assert "127.0.0.1:1 can't be joined: there was no answer in 10 seconds" in _line(said)


def test_the_address_of_a_proxy_is_a_clear_error() -> None:
    said = refused("--ray", "ray://127.0.0.1:10001")
    assert "must be part of the cluster" in _line(said)


def _line(text: str) -> str:
    return " ".join(text.split())


def test_resources_that_nothing_can_have_are_a_clear_error(ray: RayCluster) -> None:
    assert "No session can have such resources" in refused(
        "--ray", ray.address, "--session-cpus", "0.00001"
    )
