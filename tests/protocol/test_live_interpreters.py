"""Cells run live in each interpreter that a service may run, the oldest on the oldest Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.interpreters import Interpreter
from tests.support.kernels import KernelDriver, Message, shown
from tests.support.waiting import PATIENCE, until

LONG = "import time\nprint('begun')\ntime.sleep(60)"

# As it is written for all releases of ipykernel.
ECHO = """
def opened(comm, message):
    def received(message):
        comm.send({"heard": message["content"]["data"]}, buffers=message["buffers"])
    comm.on_msg(received)
get_ipython().kernel.comm_manager.register_target("echo", opened)
"""


@pytest.fixture(scope="module")
def live(interpreter: Interpreter) -> Iterator[KernelDriver]:
    with interpreter.kernel() as driver:
        yield driver


def is_stream(message: Message) -> bool:
    return bool(message["msg_type"] == "stream")


def test_cells_run_live_and_status_names_the_interpreter(
    live: KernelDriver, interpreter: Interpreter
) -> None:
    versions = "import sys, IPython, ipykernel\nprint(sys.version.split()[0], IPython.__version__)"
    python, ipython = live.run(versions).text().split()
    if interpreter.name == "ipython-7":
        assert ipython == "7.34.0"
    told = shown(live.run("%tci status"))
    assert re.search(r"^Execution +live$", told, re.MULTILINE)
    assert re.search(rf"^Interpreter +Python {python}, IPython {ipython}, ", told, re.MULTILINE)


def test_output_comes_at_once_and_an_interrupt_keeps_it(live: KernelDriver) -> None:
    cell = live.client.execute(LONG)
    live.until_published(cell, is_stream, "what the cell prints first")
    live.interrupt()
    answer = live.finish(cell)
    assert answer.reply["ename"] == "KeyboardInterrupt"


def test_what_is_typed_is_read(live: KernelDriver) -> None:
    cell = live.client.execute("print(input('What? ') + '!')", allow_stdin=True)
    assert live.client.get_stdin_msg(timeout=PATIENCE)["content"]["prompt"] == "What? "
    live.client.input("this")
    assert live.finish(cell).text() == "this!\n"


def test_a_name_is_completed_while_a_cell_runs(live: KernelDriver) -> None:
    live.run("a_name_of_the_session = 1")
    cell = live.client.execute(LONG)
    live.until_published(cell, is_stream, "what the cell prints first")

    def completed() -> bool:
        reply = live.reply(live.client.complete("a_name_of"))
        return bool(reply["content"]["matches"] == ["a_name_of_the_session"])

    until(completed, "a completion")
    live.interrupt()
    assert live.finish(cell).reply["ename"] == "KeyboardInterrupt"


def test_a_comm_speaks_both_ways_with_buffers(live: KernelDriver) -> None:
    assert live.run(ECHO).reply["status"] == "ok"
    opened = {"comm_id": "c1", "target_name": "echo", "data": {}}
    said = live.client.session.msg("comm_msg", {"comm_id": "c1", "data": {"said": 1}})
    said["buffers"] = [b"\x00\xff"]
    for message in (live.client.session.msg("comm_open", opened), said):
        live.client.shell_channel.send(message)
    asked = said["header"]["msg_id"]
    echoed = live.until_published(asked, lambda m: m["msg_type"] == "comm_msg", "the echo")
    assert echoed["content"]["data"] == {"heard": {"said": 1}}
    assert [bytes(buffer) for buffer in echoed["buffers"]] == [b"\x00\xff"]


def test_one_that_has_died_is_replaced(live: KernelDriver) -> None:
    live.run("open('kept', 'w').close()")
    assert live.run("import os; os._exit(3)").reply["ename"] == "InterpreterDied"
    assert live.run("import os; print(os.path.exists('kept'))").text() == "True\n"
