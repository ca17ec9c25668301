"""The kernel beside its cells: what it claims, how it starts, stops and is interrupted."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

import tci_kernel
from tests.support.faulty import answer, faulty_server, stall
from tests.support.kernels import BARE, KernelDriver, kernel, shown
from tests.support.waiting import PATIENCE, until


def test_kernel_info_claims_what_is_true(local_kernel: KernelDriver) -> None:
    info = local_kernel.reply(local_kernel.client.kernel_info())["content"]
    assert info["status"] == "ok"
    assert info["implementation"] == "tci_kernel"
    assert info["implementation_version"] == tci_kernel.__version__
    assert info["supported_features"] == ["kernel subshells", "debugger"]
    assert info["language_info"] == {
        "name": "python",
        "version": sys.version.split()[0],
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": 3},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_the_installed_kernelspec_is_complete(name: str) -> None:
    spec = KernelSpecManager().get_kernel_spec(name)
    assert spec.argv[1:6] == ["-P", "-m", "tci_kernel", "-f", "{connection_file}"]
    assert spec.interrupt_mode == "message"
    assert spec.language == "python"
    assert spec.metadata["debugger"] is True
    assert spec.metadata["supported_encryption"] == ["curve"]
    logos = {"logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}
    assert logos <= {path.name for path in Path(spec.resource_dir).iterdir()}


def test_without_a_session_the_debugger_says_what_to_do() -> None:
    with kernel("tci", TOGETHER_API_KEY="key") as driver:
        request = {"type": "request", "seq": 7, "command": "initialize", "arguments": {}}
        debug = driver.control("debug_request", request)["content"]
        assert (debug["success"], debug["request_seq"]) == (False, 7)
        assert "run one first" in debug["message"]
        info = driver.control("debug_request", {**request, "command": "debugInfo"})["content"]
        assert (info["success"], info["body"]["isStarted"]) == (True, False)


def test_without_a_key_the_cell_says_what_to_do() -> None:
    with kernel("tci") as driver:
        for _ in range(2):
            cell = driver.run("print('hello')")
            assert cell.reply["status"] == "error"
            assert cell.reply["ename"] == cell.only("error")["ename"] == "MissingKey"
            assert "TOGETHER_API_KEY" in cell.reply["evalue"]
            assert "tci-local" in cell.reply["evalue"]


def test_starting_makes_no_request() -> None:
    with (
        faulty_server([answer()]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        driver.reply(driver.client.complete("pri"))
        driver.reply(driver.client.inspect("print"))
        driver.reply(driver.client.is_complete("1"))
        driver.reply(driver.client.history(hist_access_type="tail", n=10))
        driver.reply(driver.client.comm_info())
        assert service.requests == []


# Has the import of the server take until somebody says so.
HELD = """
import sys, time
from importlib.machinery import PathFinder
from pathlib import Path

def held(module, execute):
    here = Path(__file__).parent
    (here / "begun").touch()
    while not (here / "goes-on").exists():
        time.sleep(0.01)
    execute(module)

class Holding:
    def find_spec(self, name, path=None, target=None):
        if name != "tci_kernel.server.server":
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: held(module, execute)
        return spec

sys.meta_path.insert(0, Holding())
"""


def test_questions_are_answered_while_the_kernel_makes_itself_ready(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HELD)
    try:
        with kernel("tci-local", PYTHONPATH=str(tmp_path)) as driver:
            driver.reply(driver.client.kernel_info())
            until((tmp_path / "begun").exists, "the import of the server")
            # `jupyter console` waits a second for it, and takes a later one for the cell's end.
            history = driver.reply(driver.client.history(hist_access_type="tail", n=10))
            assert history["content"]["status"] == "ok"
            (tmp_path / "goes-on").touch()
            assert driver.run("6 * 7").only("execute_result")["data"] == {"text/plain": "42"}
    finally:
        (tmp_path / "goes-on").touch()


def interrupt_by_message(driver: KernelDriver) -> None:
    driver.interrupt()


def interrupt_by_signal(driver: KernelDriver) -> None:
    os.kill(process_of(driver).pid, signal.SIGINT)


def process_of(driver: KernelDriver) -> psutil.Process:
    return psutil.Process(driver.manager.provisioner.pid)  # type: ignore[union-attr]


@pytest.mark.parametrize("interrupt", [interrupt_by_message, interrupt_by_signal])
def test_an_interrupt_stops_the_code_and_keeps_its_variables(
    each_kernel: KernelDriver, interrupt: Any, tmp_path: Path
) -> None:
    running = each_kernel.client.execute(
        f"before = 'kept'\n{sign(tmp_path)}import time\ntime.sleep(60)"
    )
    until((tmp_path / "sign").exists, "the cell's beginning")
    start = time.monotonic()
    interrupt(each_kernel)
    cell = each_kernel.finish(running)
    assert cell.reply["status"] == "error"
    assert cell.reply["ename"] == cell.only("error")["ename"] == "KeyboardInterrupt"
    after = each_kernel.run("before")
    assert after.only("execute_result")["data"]["text/plain"] == "'kept'"
    assert time.monotonic() - start < 30  # not the 60 s that the code asked for


def sign(directory: Path) -> str:
    """Code that says, by a file, that it has begun: its output comes at its end."""
    return f"open({str(directory / 'sign')!r}, 'w').close()\n"


@pytest.mark.parametrize("interrupt", [interrupt_by_message, interrupt_by_signal])
def test_interrupts_of_an_idle_kernel_are_harmless(
    each_kernel: KernelDriver, interrupt: Any
) -> None:
    for _ in range(3):
        interrupt(each_kernel)
    assert each_kernel.run("print('alive')").text() == "alive\n"


def test_the_first_cell_can_be_interrupted_and_keeps_its_session(tmp_path: Path) -> None:
    with kernel("tci-local") as driver:
        running = driver.client.execute(f"first = 1\n{sign(tmp_path)}import time\ntime.sleep(60)")
        until((tmp_path / "sign").exists, "the cell's beginning")
        driver.interrupt()
        driver.interrupt()
        assert driver.finish(running).reply["ename"] == "KeyboardInterrupt"
        assert driver.run("first").only("execute_result")["data"]["text/plain"] == "1"


def test_an_interrupt_at_a_remote_service_says_what_it_does_not_do() -> None:
    go = threading.Event()
    with (
        faulty_server([stall(go, answer())]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        running = driver.client.execute("x")
        until(lambda: service.requests, "the cell at the service")
        driver.interrupt()
        cell = driver.finish(running)
        go.set()
        assert cell.reply["ename"] == "KeyboardInterrupt"
        assert "may still be running" in cell.reply["evalue"]
        assert len(service.executions) == 1
        assert driver.run("y").reply["status"] == "ok"


PRIVATE = "--LocalServer.directory=private"


def test_shutdown_leaves_no_process_and_no_directory() -> None:
    with kernel("tci-local", PRIVATE) as driver:
        where = driver.run("import os; print(os.getcwd(), os.getpid())").text().split()
        processes = process_of(driver).children(recursive=True)
        assert int(where[1]) in [process.pid for process in processes]
        start = time.monotonic()
        driver.control("shutdown_request", {"restart": False})
        assert time.monotonic() - start < 2
    assert gone(processes)
    assert not Path(where[0]).parent.exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_kernel_leaves_no_process_and_no_directory(signum: signal.Signals) -> None:
    with kernel("tci-local", PRIVATE) as driver:
        cell = driver.run("import os, subprocess; p = subprocess.Popen(['sleep', '300'])")
        assert cell.reply["status"] == "ok"
        where = Path(driver.run("print(os.getcwd())").text().strip())
        processes = process_of(driver).children(recursive=True)
        process_of(driver).send_signal(signum)
        assert gone(processes)
        until_absent(where.parent)


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=20)[1]


def until_absent(path: Path) -> None:
    until(lambda: not path.exists(), f"the end of {path}")


def test_the_end_of_the_parent_is_the_end_of_the_kernel() -> None:
    # The process in between starts a kernel, runs a cell, says who is who, and is killed.
    script = (
        "import sys; from tests.support.kernels import BARE, kernel\n"
        f"with kernel('tci-local', {PRIVATE!r}) as driver:\n"
        "    print(driver.run('import os; print(os.getpid(), os.getcwd())').text(), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        where = Path(parent.stdout.readline().split()[1])
        processes = psutil.Process(parent.pid).children(recursive=True)
        assert len(processes) >= 3
        parent.kill()
    assert gone(processes)
    until_absent(where.parent)


def test_a_restart_is_a_new_session() -> None:
    with kernel("tci-local") as driver:
        driver.run("gone = 1")
        driver.manager.restart_kernel()
        driver.client.wait_for_ready(timeout=PATIENCE)
        cell = driver.run("gone")
        assert cell.reply["ename"] == "NameError"
        assert cell.count == 1


def test_a_dead_interpreter_is_said_once_and_replaced() -> None:
    with kernel("tci-local") as driver:
        driver.run("lost = 1")
        died = driver.run("import os; os._exit(1)")
        assert died.reply["ename"] == "InterpreterDied"
        assert driver.run("lost").reply["ename"] == "NameError"
        assert shown(driver.run("%tci replay")).endswith("cells were run again: 1.")
        assert driver.run("lost").only("execute_result")["data"]["text/plain"] == "1"


def _ask(client: BlockingKernelClient) -> None:
    """Have a kernel say what it is."""
    client.kernel_info()
    client.get_shell_msg(timeout=2)


def test_messages_are_encrypted_where_the_manager_gives_keys() -> None:
    manager = KernelManager(kernel_name="tci-local", transport_encryption="required")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        driver = KernelDriver(manager, client)
        assert manager.curve_publickey
        assert driver.run("print('sealed')").text() == "sealed\n"
        # A client without the keys gets no answer at all from the same sockets; once these have
        # turned it away, it can't even send.
        stranger = KernelManager(kernel_name="tci-local")
        stranger.load_connection_info({**manager.get_connection_info()})
        stranger.curve_publickey = stranger.curve_secretkey = None
        outsider = stranger.client()
        outsider.start_channels(hb=False)
        outsider.shell_channel.socket.setsockopt(zmq.SNDTIMEO, 2_000)
        with pytest.raises((queue.Empty, zmq.Again)):
            _ask(outsider)
        outsider.stop_channels()
        stranger.cleanup_resources()
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        manager.cleanup_resources()


def test_no_ipython_profile_is_created(tmp_path: Path) -> None:
    with kernel("tci", IPYTHONDIR=str(tmp_path / "ipython")) as driver:
        driver.run("1")
        assert not (tmp_path / "ipython").exists()


def test_settings_come_from_jupyters_config_path(tmp_path: Path) -> None:
    with faulty_server([answer(("stdout", "configured"))]) as service:
        (tmp_path / "tci_kernel_config.py").write_text(
            f"c.TCIClient.base_url = {service.base_url!r}\nc.TCIClient.api_key = 'from-file'\n"
        )
        with kernel("tci", BARE, JUPYTER_CONFIG_DIR=str(tmp_path)) as driver:
            assert driver.run("1").text() == "configured"
        assert service.requests[0].headers["authorization"] == "Bearer from-file"
        # The command line wins over the file.
        with kernel(
            "tci", BARE, "--TCIClient.api_key=from-argument", JUPYTER_CONFIG_DIR=str(tmp_path)
        ) as driver:
            driver.run("1")
        assert service.executions[1].headers["authorization"] == "Bearer from-argument"
