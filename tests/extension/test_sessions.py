"""The session of an ordinary notebook: when it begins, where that is, and when it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extension.conftest import LOAD, done, notebook
from tests.server.service import Service
from tests.support.counting import EXTENSIONS, CountingProxy, counted
from tests.support.kernels import KernelDriver, kernel, shown
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE, until


@pytest.fixture
def service(server: ServerProcess) -> Iterator[Service]:
    with Service(server.base_url, server.token) as service:
        yield service


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[CountingProxy]:
    with counted(server.base_url) as proxy:
        yield proxy


def session_of(driver: KernelDriver) -> str:
    match = re.search(r"^Session +(ses_\w+)$", shown(driver.run("%tci")), re.MULTILINE)
    assert match, "there is no session"
    return match[1]


def test_nothing_is_sent_before_a_cell_asks_for_it(
    server: ServerProcess, proxy: CountingProxy
) -> None:
    with notebook(proxy.base_url, server.token) as driver:
        driver.run("1; %config TCIMagics")
        driver.complete("%tci stat")
        driver.run("%%tci?")
        driver.run("%tci help")
        driver.run("%tci download --help")
        driver.run("%%tci --help\n1")
        driver.run("%reload_ext tci_kernel")
        assert proxy.taken() == []
        assert "none: the next cell begins one" in shown(driver.run("%tci"))
        assert [method for method, _ in proxy.taken()] == ["GET"]
        assert driver.run("%tci pull x").reply["ename"] == "VariableError"
        assert proxy.executions() == 0
        done(driver, "%%tci\nx = 1")
        assert proxy.executions() >= 1
        assert re.search("^Begun here +1 session$", shown(driver.run("%tci")), re.MULTILINE)


def test_a_session_that_began_here_ends_with_the_notebook(
    server: ServerProcess, service: Service
) -> None:
    with notebook(server.base_url, server.token) as driver:
        done(driver, "%%tci\nx = 1")
        session_id = session_of(driver)
        assert session_id in service.sessions()
    assert session_id not in service.sessions()


def test_one_that_was_joined_goes_on(server: ServerProcess, service: Service) -> None:
    with service.session() as session_id:
        service.run("x = 7", session_id)
        with notebook(server.base_url, server.token) as driver:
            assert driver.run(f"%%tci --session {session_id}\nprint(x)").text() == "7\n"
            assert driver.run("%%tci\nprint(x)").text() == "7\n"
            assert session_of(driver) == session_id
        assert session_id in service.sessions()


def test_unloading_leaves_a_session_and_says_how_to_come_back(
    server: ServerProcess, service: Service
) -> None:
    with notebook(server.base_url, server.token) as driver:
        done(driver, "%%tci\nx = 7")
        session_id = session_of(driver)
        said = driver.run("%unload_ext tci_kernel").text()
        assert f"To come back: %%tci --session {session_id}" in said
        assert driver.run("%tci").reply["ename"] == "UsageError"
        assert driver.reply(driver.client.complete("%tc"))["content"]["matches"] == []
        done(driver, LOAD)
        assert driver.run(f"%%tci --session {session_id}\nprint(x)").text() == "7\n"
    assert session_id in service.sessions()
    service.end(session_id)


def test_another_session_can_be_named_later(server: ServerProcess, service: Service) -> None:
    with service.session() as session_id, notebook(server.base_url, server.token) as driver:
        service.run("x = 7", session_id)
        done(driver, "%%tci\nx = 1")
        assert driver.run(f"%%tci --session {session_id}\nprint(x)").text() == "7\n"


def test_on_this_computer_it_takes_no_key_and_leaves_nothing() -> None:
    with kernel("python3", TOGETHER_API_KEY="") as driver:
        done(driver, LOAD)
        missing = driver.run("%%tci\n1")
        assert missing.reply["ename"] == "MissingKey"
        assert "'%%tci --local' needs no key." in missing.only("error")["evalue"].replace("\n", " ")
        pid = int(driver.run("%%tci --local\nimport os; print(os.getpid())").text())
        # It stays in force; what is shown is as live as elsewhere.
        assert driver.run("%%tci\nprint(os.getpid())").text() == f"{pid}\n"
        assert "(embedded in this kernel)" in shown(driver.run("%tci"))
        # The interrupt of this kernel reaches the code, and nothing else.
        cell = driver.client.execute("%%tci\nprint('begun', flush=True)\nos.read(os.pipe()[0], 1)")
        driver.until_published(cell, lambda one: one["msg_type"] == "stream", "begun")
        driver.interrupt()
        assert driver.finish(cell).reply["ename"] == "KeyboardInterrupt"
        assert driver.run("%%tci\nprint(os.getpid())").text() == f"{pid}\n"
    until(lambda: not Path(f"/proc/{pid}").exists(), "end of the interpreter")


def test_what_is_set_in_ipython_and_in_the_files_of_jupyter_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tci_kernel_config.py").write_text(
        "c.RemoteSession.cell_timeout = 77\nc.RemoteSession.retry_for = 'long'\n"
        "c.RemoteSession.autosave_minutes = 0.01\nc.TCIKernel.local = False\n"
        "c.TCIKernelApp.log_level = 30\n"
    )
    with kernel("python3", JUPYTER_CONFIG_DIR=str(tmp_path)) as driver:
        done(driver, LOAD)
        done(driver, "%config TCIMagics.local = True")
        cell = driver.run("%%tci\nprint('ran')")
        assert cell.text() == "ran\n"
        # Of those that are the kernel's nothing is said.
        said = cell.text("stderr").replace("\n", " ")
        assert re.fullmatch(
            r"Settings that .*: \S+config.py: The 'retry_for' trait .* 'long'. ", said
        )
        table = re.sub(" +", " ", shown(driver.run("%tci config")))
        assert "TCIMagics.local True IPython's configuration" in table
        assert "RemoteSession.cell_timeout 77" in table
        saved = "import os; print(os.path.exists('autosave.tci'))"
        until(lambda: driver.run(saved).text() == "True\n", "state that is saved by itself")


def test_the_key_is_asked_for_where_somebody_sits(server: ServerProcess) -> None:
    with notebook(server.base_url, "") as driver:
        cell = driver.client.execute("%%tci\nprint('ran')", allow_stdin=True)
        driver.client.get_stdin_msg(timeout=PATIENCE)
        driver.interrupt()
        assert driver.finish(cell).reply["evalue"] == "nothing was sent: there is no key."
        cell = driver.client.execute("%%tci\nprint('ran')", allow_stdin=True)
        asked = driver.client.get_stdin_msg(timeout=PATIENCE)
        prompt = asked["content"]["prompt"]
        assert "stays in this process's memory" in prompt
        assert asked["content"] == {"prompt": prompt, "password": True}
        assert prompt.endswith("\nAPI key: ")
        driver.client.input(server.token)
        assert driver.finish(cell).text() == "ran\n"
        driver.run("%reload_ext tci_kernel")
        assert driver.run("%%tci\n1").reply["ename"] == "MissingKey"
        # It may be set in the notebook, at any time.
        done(driver, f"import os; os.environ['TOGETHER_API_KEY'] = {server.token!r}")
        assert driver.run("%%tci\nprint('ran')").text() == "ran\n"


def test_a_service_that_has_no_more_than_the_contract_runs_cells_live(
    server: ServerProcess, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    with (
        counted(server.base_url, without=EXTENSIONS) as proxy,
        notebook(proxy.base_url, server.token) as driver,
    ):
        code = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)"
        cell = driver.client.execute(f"%%tci\nprint('begun')\n{code}\nprint('ended')")
        driver.until_printed(cell, "begun\n")
        go.touch()
        assert driver.finish(cell).text() == "ended\n"


def test_a_child_of_the_notebook_leaves_the_session_alone(
    server: ServerProcess, service: Service
) -> None:
    with notebook(server.base_url, server.token) as driver:
        done(driver, "%%tci\nx = 7")
        fork = "import multiprocessing as m; p = m.get_context('fork').Process(target=int)"
        driver.run(f"{fork}; p.start(); p.join()")
        assert session_of(driver) in service.sessions()
        assert driver.run("%%tci\nprint(x)").text() == "7\n"
