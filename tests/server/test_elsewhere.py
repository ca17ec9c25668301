"""Interpreters that a provisioner of the kernelspec's starts, as on another machine."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.server.exchanges import Client, beside, execute, said
from tests.server.kernelspecs import IPYKERNEL
from tests.server.service import Service, text_file
from tests.support import elsewhere
from tests.support.kernels import kernel
from tests.support.servers import serving
from tests.support.waiting import PATIENCE, until


@dataclass
class Elsewhere:
    """A server whose interpreters are elsewhere.

    Attributes:
        service: the server.
        looks: has a line for each look at an interpreter.
        decoy: the process of this computer that all interpreters are said to be.
        temporary: the directory of all that is temporary there.
    """

    service: Service
    looks: Path
    decoy: subprocess.Popen[bytes]
    temporary: Path


@contextmanager
def server_with(root: Path, temporary: Path) -> Iterator[Elsewhere]:
    decoy = subprocess.Popen(["sleep", "600"], start_new_session=True)
    looks = root / "looks"
    looks.touch()
    environment = elsewhere.install(root / "installed", "elsewhere", IPYKERNEL)
    environment |= {elsewhere.TEMPORARY: str(temporary)}
    environment |= {elsewhere.LOOKS: str(looks), elsewhere.DECOY: str(decoy.pid)}
    try:
        with (
            serving("--kernel-name", "elsewhere", **environment) as server,
            Service(server.base_url, server.token) as service,
        ):
            yield Elsewhere(service, looks, decoy, temporary)
    finally:
        decoy.kill()
        decoy.wait()


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    with (
        TemporaryDirectory(dir="/var/tmp") as temporary,
        server_with(tmp_path_factory.mktemp("elsewhere"), Path(temporary)) as made,
    ):
        yield made


@pytest.fixture
def own(there: Elsewhere) -> Iterator[str]:
    with there.service.session() as session_id:
        yield session_id


def test_it_runs_in_a_network_and_among_processes_of_its_own(there: Elsewhere, own: str) -> None:
    code = "import os, socket\nprint(os.getpid(), os.listdir('/sys/class/net'), os.getcwd())"
    shown = there.service.run(code, own).text()
    pid, rest = shown.split(" ", 1)
    assert int(pid) < 20
    assert "eth0" in rest
    assert f"tci-{own}" in rest


def test_state_is_kept_and_files_go_through_the_interpreter(there: Elsewhere, own: str) -> None:
    there.service.run("kept = 1", own)
    ran = there.service.run(
        "print(kept, open('data/a').read())", own, text_file("data/a", "content")
    )
    assert ran.text() == "1 content\n"
    there.service.run("import os; os.chdir('/')", own)
    ran = there.service.run("print(os.listdir())", own, text_file("b"))
    assert "'b'" not in ran.text()
    assert (
        there.service.run(f"print(os.path.exists('{there.temporary}/tci-{own}/b'))", own).text()
        == "True\n"
    )


def test_files_of_an_exchange_wait_for_code_that_runs(there: Elsewhere, own: str) -> None:
    begun, go = there.temporary / "runs", there.temporary / "go"
    code = (
        f"import os, time; open({str(begun)!r}, 'w').close()\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('ended')"
    )
    call = there.service.begin(code, own)
    until(begun.exists, "the code runs")
    client = Client(there.service, own)
    cell = {**execute("print(open('late').read())"), "files": [text_file("late", "content")]}
    sending = beside(lambda: client.exchange(cell))
    client_of_others = Client(there.service, own)
    client_of_others.exchange()  # what brings no files does not wait
    assert not sending.done()
    go.touch()
    assert call.result().text() == "ended\n"
    sending.result(PATIENCE)
    assert said(client.replied(cell)) == "content\n"


def test_output_comes_live_and_an_interrupt_stops_what_runs(there: Elsewhere, own: str) -> None:
    client = Client(there.service, own)
    cell = execute("import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)")
    client.exchange(cell)
    assert said(client.until(lambda: bool(client.heard), "output")) == "begun\n"
    client.exchange({"channel": "interrupt"})
    assert client.replied(cell)[-1]["content"]["ename"] == "KeyboardInterrupt"


def test_it_is_not_looked_at_for_every_request(there: Elsewhere, own: str) -> None:
    there.service.run("pass", own)
    there.looks.write_text("")
    begun = time.monotonic()
    for _ in range(40):
        there.service.run("pass", own)
    looks = len(there.looks.read_text().splitlines())
    # Each session is looked at once in five seconds; others may be there.
    assert looks <= (2 + (time.monotonic() - begun) / 5) * 4
    assert looks < 40


def test_one_that_dies_is_told_of_and_another_follows_with_the_files(
    there: Elsewhere, own: str
) -> None:
    there.service.run("lost = 1", own)
    ran = there.service.run("import os; os._exit(3)", own)
    assert "InterpreterDied" in ran.text("error")
    assert there.service.run("print('lost' in globals())", own).text() == "False\n"


def test_no_signal_goes_to_a_process_of_this_computer(there: Elsewhere) -> None:
    with there.service.session() as session_id:
        begun = there.temporary / "begun"
        code = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(600)"
        call = there.service.begin(code, session_id)
        until(begun.exists, "the code runs")
        there.service.end(session_id)
        assert "SessionEnded" in call.result().text("error")
    until(lambda: session_id not in there.service.sessions(), "the end of the session")
    assert there.decoy.poll() is None


def test_a_kernel_runs_live_in_front_of_it(there: Elsewhere) -> None:
    where = {
        "TOGETHER_BASE_URL": str(there.service.http.base_url).rstrip("/"),
        "TOGETHER_API_KEY": "a-token-for-tests",
    }
    with kernel("tci", **where) as driver:
        cell = driver.run("import os; print(os.getpid() < 20)")
        assert cell.text() == "True\n"
        assert driver.run("1 / 0").reply["ename"] == "ZeroDivisionError"


def test_its_directory_goes_with_its_session(there: Elsewhere) -> None:
    with there.service.session() as session_id:
        place = Path(there.service.run("import os; print(os.getcwd())", session_id).text().strip())
        assert place == there.temporary / f"tci-{session_id}"
        assert place.is_dir()
    until(lambda: not place.exists(), "the end of the directory")
