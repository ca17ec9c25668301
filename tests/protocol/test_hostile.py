"""What a session, or the folder of a notebook, tries to do to the kernel and its user."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from tci_kernel.core.cell import Cell
from tests.support.counting import EXTENSIONS, CountingProxy, counted
from tests.support.kernels import DIRECT, KernelDriver, Message, kernel
from tests.support.live import live_session, messages_of
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

# Modules that the kernel, its libraries or Python itself import, sooner or later.
NAMES = (
    *("httpx", "jedi", "json", "random", "typing", "tornado", "IPython", "ipykernel", "zmq"),
    *("traitlets", "tci_kernel", "asyncio", "pathspec", "tqdm", "click", "keyring", "h11", "ssl"),
    *("pandas", "polars", "pyarrow", "psutil", "matplotlib_inline", "idna", "sqlite3"),
)


PRIVATE = "--LocalServer.directory=private"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file for each of these, which says so where it is imported."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path)!r} + '/ran-{name}', 'w')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("ran-*"))


def test_files_beside_the_notebook_do_not_run_in_the_kernel(
    folder: Path, server: ServerProcess
) -> None:
    where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    # The interpreter of `tci-local` would import them as ipykernel does: it works in their folder.
    for name in ("tci", "tci-local"):
        with kernel(name, PRIVATE, cwd=str(folder), **where) as driver:
            assert driver.run("1 + 1").only("execute_result")["data"]["text/plain"] == "2"
            driver.complete("import ran")
            driver.client.inspect("print")
            driver.run("%tci status")
            driver.run("%%local\nx = 1")
            assert driver.run("%tci push x").reply["status"] == "ok"
            driver.client.complete("%%local\nx.")
            assert driver.run("%tci upload pandas.py").reply["status"] == "ok"
            assert driver.run("%%local\nimport httpx; print(httpx.__name__)").text() == "httpx\n"
            assert ran(folder) == []


def test_the_code_of_local_cells_imports_what_lies_there(folder: Path) -> None:
    (folder / "mine.py").write_text("import beside\nvalue = beside.value")
    (folder / "beside.py").write_text("def later():\n    import lazy\n    return lazy\nvalue = 42")
    (folder / "lazy.py").write_text("pass")
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("from . import inner\nimport beside")
    (folder / "package" / "inner.py").write_text("")
    with kernel("tci-local", PRIVATE, cwd=str(folder)) as driver:
        code = "import importlib, threading, mine, package.inner\n"
        code += "print(mine.value, importlib.import_module('lazy').__name__, mine.beside.later())"
        shown = driver.run(f"%%local\n{code}")
        assert shown.text().startswith("42 lazy <module 'lazy'"), shown
        missing = driver.run("%%local\nimport there_is_none")
        assert missing.reply["ename"] == "ModuleNotFoundError"
    assert ran(folder) == []


def test_the_command_runs_nothing_of_the_folder(folder: Path) -> None:
    command = [sys.executable, "-m", "tci_kernel", "--version"]
    (folder / "tci_kernel.py").unlink()  # Python itself would run that in our place
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.strip()
    # Python itself imports some before it runs anything of this package.
    assert {"ran-httpx", "ran-click", "ran-json", "ran-tornado"}.isdisjoint(ran(folder))


@pytest.fixture(scope="module", params=["live", "direct"])
def driver(request: pytest.FixtureRequest) -> Iterator[KernelDriver]:
    with kernel("tci-local", *([DIRECT] if request.param == "direct" else [])) as started:
        yield started


WRITE = "get_ipython().payload_manager.write_payload({!r}, single=False)"


def test_a_session_has_no_editor_opened_and_no_client_ended(driver: KernelDriver) -> None:
    for item in (
        {"source": "edit_magic", "filename": "/etc/passwd", "line_number": 1},
        {"source": "run_this", "text": "x"},
    ):
        assert driver.run(WRITE.format(item)).reply["payload"] == []
    leave = {"source": "ask_exit", "keepkernel": True}
    assert driver.run(WRITE.format(leave)).reply["payload"] == [leave]
    hidden = driver.run(WRITE.format(leave), store_history=False)
    assert hidden.reply["payload"] == []


@pytest.mark.parametrize("number", [10**18, 60_000_000, -5, 2**63])
def test_a_forged_number_of_a_cell_is_not_followed(driver: KernelDriver, number: int) -> None:
    before = driver.run("1").count
    driver.run(f"get_ipython().execution_count = {number}")
    after = driver.run("'goes on'")
    assert after.only("execute_result")["data"]["text/plain"] == "'goes on'"
    assert before < after.reply["execution_count"] <= before + 3
    driver.client.history(hist_access_type="tail", n=1)
    driver.run("get_ipython().execution_count = 50")
    assert driver.run("1").reply["status"] == "ok"


FORGE = """
from ipykernel.kernelapp import IPKernelApp
kernel = IPKernelApp.instance().kernel
def forge(kind, content, **options):
    parent = options.pop('parent', kernel.get_parent())
    kernel.session.send(kernel.iopub_socket, kind, content, parent=parent, **options)
"""


def test_messages_that_nobody_could_read_do_not_arrive(local_kernel: KernelDriver) -> None:
    local_kernel.run(FORGE)
    forged = [
        ("stream", {}),
        ("stream", {"name": "stdin", "text": "x"}),
        ("error", {"ename": "E"}),
        ("display_data", {"data": 7}),
        ("update_display_data", {"data": {}, "metadata": {}, "transient": 7}),
        ("execute_input", {"code": "forged", "execution_count": 7}),
        ("status", {"execution_state": "restarting"}),
        ("shutdown_reply", {"restart": True}),
        ("iopub_welcome", {}),
        ("kernel_info_reply", {}),
        ("no_such_type", {}),
    ]
    calls = "\n".join(f"forge({kind!r}, {content!r})" for kind, content in forged)
    shown = local_kernel.run(f"print('before', flush=True)\n{calls}\nprint('after')")
    assert shown.reply["status"] == "ok"
    assert shown.text() == "before\nafter\n"
    kinds = {message["msg_type"] for message in shown.published}
    assert kinds == {"status", "execute_input", "stream"}


def test_many_forged_messages_leave_the_kernel_responsive(local_kernel: KernelDriver) -> None:
    local_kernel.run(FORGE)
    code = """
deep = 'x'
for _ in range(900): deep = [deep]
for number in range(20_000):
    forge('display_data', {'data': deep if number % 100 == 0 else {}, 'metadata': {}})
    forge('comm_open', {'comm_id': str(number), 'target_name': 'none', 'data': {}})
print('through')
while True: pass
"""
    running = local_kernel.client.execute(code)
    local_kernel.until_published(
        running,
        lambda m: m["msg_type"] == "stream" and "through" in m["content"]["text"],
        "the end of what is forged",
    )
    local_kernel.interrupt()
    assert local_kernel.finish(running).reply["ename"] == "KeyboardInterrupt"
    assert local_kernel.run("1 + 1").only("execute_result")["data"]["text/plain"] == "2"


def test_code_that_no_interrupt_stops_has_its_user_told_what_to_do() -> None:
    code = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('deaf')\n"
    with kernel("tci-local") as driver:
        running = driver.client.execute(f"{code}while True: time.sleep(0.1)")

        def says(text: str) -> Callable[[Message], bool]:
            return lambda m: m["msg_type"] == "stream" and text in m["content"]["text"]

        driver.until_published(running, says("deaf"), "the cell's beginning")
        driver.interrupt()
        told = says("The code has not stopped in 10 s. Interrupt it again. On the kernels")
        driver.until_published(running, told, "what to do")


async def quiet(proxy: CountingProxy) -> None:
    """Wait until nothing has been asked of a service for two seconds."""
    limit = time.monotonic() + PATIENCE
    while True:
        proxy.taken()
        await asyncio.sleep(2)
        if proxy.executions() == 0:
            return
        assert time.monotonic() < limit, f"not in {PATIENCE:g} s: an end of the requests"


@pytest.mark.parametrize("without", [(), EXTENSIONS], ids=["exchange", "relay"])
async def test_who_publishes_slowly_is_sent_no_more_meanwhile(
    server: ServerProcess, without: Sequence[str]
) -> None:
    code = "for number in range(30_000): display(number)"
    with counted(server.base_url, without=without) as proxy:
        async with live_session(proxy.base_url, server.token) as session:
            await messages_of(session, "pass")
            numbers = []
            is_counted = False
            async with aclosing(session.run(Cell(code))) as messages:
                async for message in messages:
                    if message.type == "display_data":
                        numbers.append(int(message.content["data"]["text/plain"]))
                    if len(numbers) == 100 and not is_counted:
                        is_counted = True
                        await quiet(proxy)  # while this client is slow
            assert proxy.executions() > 0  # what was left came later
            assert numbers == sorted(numbers)
            assert numbers[-1] == 29_999
            assert is_counted
