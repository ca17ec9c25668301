"""What lives on of a user's cells, told in a real interpreter."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tci_kernel.remote.companion import MODULE, child_processes, count_tasks, is_own, is_own_thread
from tests.support.relays import Client, relay_process
from tests.support.waiting import until

ALIVE = f"__import__('sys').modules[{MODULE!r}].told_alive()"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with relay_process(tmp_path_factory.mktemp("session")) as process:
        yield process.client()


def alive(client: Client, code: str = "pass") -> int:
    """How much lives on of cells, as is told with the reply to one."""
    reply = client.run(code, user_expressions={"alive": ALIVE})[-1].message.content
    assert reply["status"] == "ok", reply
    return int(reply["user_expressions"]["alive"]["data"]["text/plain"])


def test_nothing_lives_on_of_a_cell_that_is_over(client: Client) -> None:
    assert alive(client) == 0
    assert alive(client, "1 + 1") == 0
    assert alive(client, "import subprocess; subprocess.run(['true'])") == 0


def test_a_large_output_leaves_nothing_that_lives_on(client: Client) -> None:
    assert alive(client, "display({'text/plain': 'x' * 1_000_000}, raw=True)") == 0


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (
            "import threading as t; over = t.Event(); t.Thread(target=over.wait).start()",
            "over.set()",
        ),
        (
            "import asyncio; task = asyncio.ensure_future(asyncio.sleep(600))",
            "task.cancel(); await asyncio.sleep(0)",
        ),
        (
            "import subprocess; process = subprocess.Popen(['sleep', '600'])",
            "process.kill(); process.wait()",
        ),
    ],
    ids=["a thread", "a task", "a process"],
)
def test_what_goes_on_is_counted_until_it_ends(client: Client, begin: str, end: str) -> None:
    assert alive(client, begin) == 1
    client.run(end)
    until(lambda: alive(client) == 0, "the end of what went on")


def test_the_next_cell_gets_the_number_that_it_is_given(client: Client) -> None:
    code = f"__import__('sys').modules[{MODULE!r}].set_number(70)"
    client.run(code, silent=True, store_history=False)
    (reply,) = client.run("pass")
    assert reply.message.content["execution_count"] == 70


def test_it_leaves_nothing_to_be_seen(tmp_path: Path) -> None:
    with relay_process(tmp_path) as process:
        client = process.client()
        assert client.value("print([*In], [name for name in globals() if 'ompanion' in name])") == (
            "['', \"print([*In], [name for name in globals() if 'ompanion' in name])\"] []\n"
        )
        assert client.value("import os; print([v for v in os.environ if 'TCI_KERNEL' in v])") == (
            "[]\n"
        )


# -- in this process -------------------------------------------------------------------------------


async def test_tasks_of_the_users_own_are_told_from_the_interpreters() -> None:
    before = count_tasks()
    task = asyncio.create_task(asyncio.sleep(600))
    assert count_tasks() == before + 1
    task.cancel()
    await asyncio.wait({task})
    assert count_tasks() == before


def test_without_a_loop_there_are_no_tasks() -> None:
    counted: list[int] = []
    thread = threading.Thread(target=lambda: counted.append(count_tasks()))
    thread.start()
    thread.join()
    assert counted == [0]


def test_threads_of_packages_that_the_interpreter_uses_are_its_own() -> None:
    class Own(threading.Thread):
        __module__ = "zmq.utils.garbage"

    assert is_own_thread(Own())
    assert not is_own_thread(threading.Thread(target=print))
    assert not is_own(None)


def test_processes_are_counted_while_they_run_where_the_system_tells() -> None:
    tells = Path("/proc/self/task").exists()
    before = child_processes()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert child_processes() - before == ({str(process.pid)} if tells else set())
        process.communicate(b"\n")
    assert os.getpid() not in map(int, child_processes())
