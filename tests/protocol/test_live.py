"""Cells that run live: what comes while they run and after, on both kernels, as from ipykernel."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.comms import ECHO
from tests.support.counting import EXTENSIONS, CountingProxy, counted
from tests.support.kernels import KernelDriver, Message, kernel, shown
from tests.support.servers import TOKEN, ServerProcess
from tests.support.waiting import PATIENCE, received, until

# What is written at once is shown at once: between two writes a slow computer may show the first.
TICKS = (
    "import sys, time\nfor tick in range(40):\n    sys.stdout.write(f'tick {tick}\\n')\n"
    "    time.sleep(0.1)"
)


@pytest.fixture(scope="module")
def service(server: ServerProcess) -> Iterator[CountingProxy]:
    """A service whose sessions are sent a relay."""
    with counted(server.base_url, without=EXTENSIONS) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def remote(service: CountingProxy) -> Iterator[KernelDriver]:
    with kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY=TOKEN) as driver:
        yield driver


@pytest.fixture(scope="module", params=["local_kernel", "remote"])
def live(request: pytest.FixtureRequest) -> KernelDriver:
    driver: KernelDriver = request.getfixturevalue(request.param)
    return driver


def is_stream(message: Message) -> bool:
    return bool(message["msg_type"] == "stream")


def says(text: str) -> Callable[[Message], bool]:
    """Whether a message contains a text."""
    return lambda message: text in str(message["content"])


def published(driver: KernelDriver, kind: str) -> Message:
    """Wait for the next message of a type, whatever it belongs to."""
    messages = received(driver.client.get_iopub_msg, kind)
    return next(message for message in messages if message["msg_type"] == kind)


def send(driver: KernelDriver, kind: str, content: dict[str, Any], **header: Any) -> str:
    """Send a message on the shell channel; gives its id."""
    message = driver.client.session.msg(kind, content)
    message["header"].update(header)
    driver.client.shell_channel.send(message)
    msg_id: str = message["header"]["msg_id"]
    return msg_id


# -- output ----------------------------------------------------------------------------------------


def test_output_comes_while_the_cell_runs(live: KernelDriver) -> None:
    cell = live.client.execute(TICKS)
    first = live.until_printed(cell, "tick 0\n")
    assert first.startswith("tick 0\n")
    assert "tick 39" not in first
    live.interrupt()
    assert live.finish(cell).reply["ename"] == "KeyboardInterrupt"


def test_what_a_thread_prints_after_its_cell_belongs_to_it(live: KernelDriver) -> None:
    code = (
        "import threading, time\n"
        "def late():\n    time.sleep(0.5)\n    print('late')\n"
        "threading.Thread(target=late).start()"
    )
    cell = live.client.execute(code)
    assert live.finish(cell).reply["status"] == "ok"
    assert live.until_printed(cell, "late\n") == "late\n"


def test_a_display_is_updated_from_another_cell_and_from_a_thread(live: KernelDriver) -> None:
    first = live.run("handle = display('one', display_id='shown')")
    assert first.only("display_data")["transient"] == {"display_id": "shown"}
    assert live.run("handle.update('two')").only("update_display_data")["data"] == {
        "text/plain": "'two'"
    }
    code = (
        "import threading, time\n"
        "def late():\n    time.sleep(0.3)\n    handle.update('three')\n"
        "threading.Thread(target=late).start()"
    )
    assert live.run(code).reply["status"] == "ok"
    assert published(live, "update_display_data")["content"]["data"] == {"text/plain": "'three'"}


def test_much_output_comes_whole_and_in_order(live: KernelDriver) -> None:
    answer = live.run("for line in range(30000): print(line)")
    assert answer.text().splitlines() == [str(line) for line in range(30000)]


# -- input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "hidden"), [("input", False), ("__import__('getpass').getpass", True)]
)
def test_a_cell_asks_its_user(live: KernelDriver, ask: str, hidden: bool) -> None:
    cell = live.client.execute(
        f"print('before', flush=True)\nprint('got', {ask}('name? '))", allow_stdin=True
    )
    request = live.client.get_stdin_msg(timeout=PATIENCE)
    assert request["content"] == {"prompt": "name? ", "password": hidden}
    assert request["parent_header"]["msg_id"] == cell
    live.client.input("somebody")
    assert live.finish(cell).text() == "before\ngot somebody\n"


def test_where_nobody_can_be_asked_the_error_is_ipykernels(live: KernelDriver) -> None:
    failed = live.run("input()", allow_stdin=False)
    assert failed.reply["ename"] == "StdinNotImplementedError"
    assert "tci" not in "".join(failed.reply["traceback"])


def test_an_interrupt_ends_a_question(live: KernelDriver) -> None:
    cell = live.client.execute("input('for ever? ')", allow_stdin=True)
    live.client.get_stdin_msg(timeout=PATIENCE)
    live.interrupt()
    assert live.finish(cell).reply["ename"] == "KeyboardInterrupt"
    assert live.run("'goes on'").reply["status"] == "ok"


def test_pdb_asks_until_it_is_left(live: KernelDriver) -> None:
    cell = live.client.execute(
        "inner = 7\nimport pdb; pdb.set_trace()\nprint('after')", allow_stdin=True
    )
    live.client.get_stdin_msg(timeout=PATIENCE)
    live.client.input("p inner * 6")
    live.client.get_stdin_msg(timeout=PATIENCE)
    live.client.input("c")
    text = live.finish(cell).text()
    assert "42" in text
    assert text.endswith("after\n")


# -- interrupts ------------------------------------------------------------------------------------


def test_code_that_catches_an_interrupt_goes_on(live: KernelDriver) -> None:
    code = (
        "import time\ntry:\n    print('begun')\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('caught')"
    )
    cell = live.client.execute(code)
    live.until_printed(cell, "begun\n")
    live.interrupt()
    caught = live.finish(cell)
    assert caught.reply["status"] == "ok"
    assert caught.text() == "caught\n"


def test_a_second_interrupt_stops_what_has_caught_the_first(live: KernelDriver) -> None:
    code = (
        "import time\nfor attempt in range(2):\n    try:\n        print(f'begun {attempt}')\n"
        "        time.sleep(60)\n    except KeyboardInterrupt:\n"
        "        if attempt: raise"
    )
    cell = live.client.execute(code)
    for attempt in range(2):
        live.until_published(cell, says(f"begun {attempt}"), "the beginning")
        live.interrupt()
    assert live.finish(cell).reply["ename"] == "KeyboardInterrupt"


# -- beside a cell ---------------------------------------------------------------------------------


def test_what_is_asked_while_a_cell_runs_is_answered_by_the_session(live: KernelDriver) -> None:
    live.run("a_name_of_the_session = 1")
    cell = live.client.execute(TICKS)
    live.until_published(cell, is_stream, "the first tick")

    def completed() -> bool:
        reply = live.reply(live.client.complete("a_name_of"))
        return bool(reply["content"]["matches"] == ["a_name_of_the_session"])

    until(completed, "a completion from the session")
    live.interrupt()
    assert live.finish(cell).reply["ename"] == "KeyboardInterrupt"


def test_a_subshell_runs_code_while_a_cell_runs(live: KernelDriver) -> None:
    made = live.control("create_subshell_request", {})["content"]
    assert made["status"] == "ok"
    cell = live.client.execute(TICKS)
    live.until_published(cell, is_stream, "the first tick")
    content = {"code": "print('beside')", "silent": False, "store_history": False}
    content |= {"user_expressions": {}, "allow_stdin": False}
    beside = send(live, "execute_request", content, subshell_id=made["subshell_id"])
    assert live.until_printed(beside, "beside\n") == "beside\n"
    assert live.reply(beside)["content"]["status"] == "ok"
    live.interrupt()
    assert live.finish(cell).reply["ename"] == "KeyboardInterrupt"
    assert live.control("delete_subshell_request", made)["content"]["status"] == "ok"


def test_a_cell_that_takes_longer_than_it_may_is_interrupted(server: ServerProcess) -> None:
    where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": TOKEN}
    with kernel("tci", "--RemoteSession.cell_timeout=5", **where) as driver:
        driver.run("import time")  # the interpreter's start is a part of the first one
        cell = driver.run(
            "try:\n    print('begun')\n    time.sleep(60)\n"
            "except KeyboardInterrupt:\n    caught = True\n    raise"
        )
        assert cell.text() == "begun\n"
        assert cell.reply["ename"] == "CellTimeout"
        assert "It was interrupted." in cell.reply["evalue"]
        assert driver.run("print(caught)").text() == "True\n"


# -- comms -----------------------------------------------------------------------------------------


def test_a_comm_speaks_both_ways_with_buffers(live: KernelDriver) -> None:
    live.run(ECHO)
    send(live, "comm_open", {"comm_id": "c1", "target_name": "echo", "data": {}})
    info = live.reply(live.client.comm_info())["content"]
    assert info["comms"] == {"c1": {"target_name": "echo"}}
    message = live.client.session.msg("comm_msg", {"comm_id": "c1", "data": {"said": 1}})
    message["buffers"] = [b"\x00\xff"]
    live.client.shell_channel.send(message)
    asked = message["header"]["msg_id"]
    echoed = live.until_published(asked, lambda m: m["msg_type"] == "comm_msg", "the echo")
    assert echoed["content"]["data"] == {"heard": {"said": 1}}
    assert [bytes(buffer) for buffer in echoed["buffers"]] == [b"\x00\xff"]
    # Its end comes after what it led to: clients send nothing more before.
    live.until_published(asked, lambda m: m["content"].get("execution_state") == "idle", "its end")
    send(live, "comm_close", {"comm_id": "c1", "data": {}})
    assert live.reply(live.client.comm_info())["content"]["comms"] == {}


def test_comms_and_cells_in_quick_succession_each_end_as_their_own(live: KernelDriver) -> None:
    live.run(ECHO)
    for round_ in range(20):
        comm_id = f"quick-{round_}"
        requests = [
            send(live, "comm_open", {"comm_id": comm_id, "target_name": "echo", "data": {}}),
            send(live, "comm_msg", {"comm_id": comm_id, "data": {"said": round_}}),
            live.client.execute(f"print({round_})"),
            send(live, "comm_close", {"comm_id": comm_id, "data": {}}),
        ]
        states: dict[str, list[str]] = {request: [] for request in requests}
        running = [*requests]
        for message in received(live.client.get_iopub_msg, "the end of each request"):
            parent, state = message["parent_header"].get("msg_id"), message["content"]
            if message["msg_type"] != "status" or parent not in states:
                continue
            states[parent].append(state["execution_state"])
            if state["execution_state"] == "idle":
                running.remove(parent)
            if not running:
                break
        assert live.reply(requests[2])["content"]["status"] == "ok"
        for request in requests:
            # A cell that runs says so again once something beside it has ended.
            assert states[request][0] == "busy", states
            assert states[request].count("idle") == 1, states
            assert states[request][-1] == "idle", states


# -- the debugger ----------------------------------------------------------------------------------


def test_the_debugger_stops_at_a_breakpoint_and_goes_on(live: KernelDriver) -> None:
    live.run("1")
    sequence = iter(range(1, 100))

    def debug(command: str, **arguments: Any) -> dict[str, Any]:
        request = {"type": "request", "seq": next(sequence), "command": command}
        content: dict[str, Any] = live.control(
            "debug_request", {**request, "arguments": arguments}
        )["content"]
        assert content["success"], content
        body: dict[str, Any] = content.get("body") or {}
        return body

    code = "stepped = 1\nstepped = 2\nprint(stepped)"
    debug("initialize", clientID="x", adapterID="x", linesStartAt1=True, pathFormat="path")
    debug("attach")
    path = debug("dumpCell", code=code)["sourcePath"]
    debug("setBreakpoints", breakpoints=[{"line": 2}], source={"path": path}, sourceModified=False)
    debug("configurationDone")
    cell = live.client.execute(code)
    stopped = next(
        message["content"]
        for message in received(live.client.get_iopub_msg, "the stop")
        if message["msg_type"] == "debug_event" and message["content"]["event"] == "stopped"
    )
    thread = stopped["body"]["threadId"]
    (frame, *_) = debug("stackTrace", threadId=thread)["stackFrames"]
    assert frame["line"] == 2
    debug("continue", threadId=thread)
    assert live.finish(cell).text() == "2\n"
    debug("disconnect", restart=False, terminateDebuggee=False)


# -- deaths and restarts ---------------------------------------------------------------------------

DEATHS = {
    "os._exit": ("import os; os._exit(3)", "exit status 3"),
    "SIGKILL": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    "SIGSEGV": ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_dead_interpreter_takes_the_variables_and_nothing_else(
    live: KernelDriver, death: str
) -> None:
    code, said = DEATHS[death]
    live.run("lost = 1; open('kept.txt', 'w').write('kept')")
    died = live.run(code)
    assert died.reply["ename"] == died.only("error")["ename"] == "InterpreterDied"
    assert said in died.reply["evalue"]
    on = live.run("print('lost' in globals(), open('kept.txt').read())")
    assert (on.reply["status"], on.text()) == ("ok", "False kept\n")
    assert on.count == died.count + 1


def test_a_restart_keeps_the_session_and_empties_its_namespace(
    server: ServerProcess, service: CountingProxy
) -> None:
    with kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY=TOKEN) as driver:
        driver.run("gone = 1; open('kept.txt', 'w').write('kept')")
        before = session_of(driver)
        driver.manager.restart_kernel()
        driver.client.wait_for_ready(timeout=PATIENCE)
        cell = driver.run("print('gone' in globals(), open('kept.txt').read())")
        assert (cell.count, cell.text()) == (1, "False kept\n")
        assert session_of(driver) == before


def test_a_kernel_in_the_place_of_one_that_died_finds_all_as_it_was(service: CountingProxy) -> None:
    with kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY=TOKEN) as driver:
        driver.run("kept = 1")
        cell = driver.client.execute(TICKS)
        driver.until_published(cell, is_stream, "the first tick")
        os.kill(driver.pid, signal.SIGKILL)
        # Its manager would interrupt one that is alive first, and with it the cell.
        until(lambda: not driver.manager.is_alive(), "the kernel's end")
        driver.manager.restart_kernel(now=True)
        driver.client.wait_for_ready(timeout=PATIENCE)
        after = driver.client.execute("print('kept', kept)")
        texts = ""
        for message in received(driver.client.get_iopub_msg, "all that was printed"):
            if message["msg_type"] == "stream":
                texts += message["content"]["text"]
            if "kept 1" in texts:
                break
        assert driver.finish(after).reply["status"] == "ok"
    assert "tick 39" in texts
    assert "was not\nlost" in texts


def session_of(driver: KernelDriver) -> str:
    (found,) = set(re.findall(r"ses_\w+", shown(driver.run("%tci status")).split("Started")[0]))
    return str(found)


def test_attaching_shows_what_runs_until_it_ends(
    remote: KernelDriver, service: CountingProxy
) -> None:
    remote.run("shared = 'theirs'")
    session = session_of(remote)
    with kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY=TOKEN) as other:
        cell = remote.client.execute(TICKS)
        remote.until_published(cell, is_stream, "the first tick")
        joined = other.run(f"%tci attach {session}")
        assert joined.reply["status"] == "ok"
        assert joined.text().endswith("tick 39\n")
        assert other.run("shared").only("execute_result")["data"] == {"text/plain": "'theirs'"}
        assert remote.finish(cell).reply["status"] == "ok"


def test_status_tells_of_the_interpreter(live: KernelDriver) -> None:
    live.run("1")
    told = shown(live.run("%tci status"))
    assert re.search(r"^Execution +live$", told, re.MULTILINE)
    assert re.search(
        r"^Interpreter +Python 3\.\d+\.\d+, IPython .*, ipykernel \d", told, re.MULTILINE
    )
    assert re.search(r"^It uses +\d+ MB of memory, \d+\.\d s of CPU time$", told, re.MULTILINE)
    assert re.search(r"^Lives on +nothing$", told, re.MULTILINE)


# -- requests --------------------------------------------------------------------------------------


def test_a_client_that_asks_for_usage_hears_of_the_interpreter(live: KernelDriver) -> None:
    pid = int(live.run("import os; print(os.getpid())").text())
    answers = [live.control("usage_request", {})["content"]]
    running = live.client.execute("import time\nwhile True: time.sleep(0.1)")
    live.until_published(running, lambda m: m["msg_type"] == "execute_input", "the cell's start")
    answers.append(live.control("usage_request", {})["content"])
    live.interrupt()
    live.finish(running)
    for answer in answers:
        assert answer["pid"] == pid
        assert answer["kernel_memory"] > 1_000_000


def test_without_a_session_usage_is_the_kernels_own(service: CountingProxy) -> None:
    with kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY=TOKEN) as driver:
        service.taken()
        assert driver.control("usage_request", {})["content"]["pid"] == driver.pid
        assert service.taken() == []


def test_a_first_cell_costs_three_requests_and_another_short_one_costs_one(
    service: CountingProxy,
) -> None:
    with kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY=TOKEN) as driver:
        service.taken()
        assert driver.run("1 + 1").reply["status"] == "ok"
        assert service.executions() <= 3
        for _ in range(5):
            assert driver.run("1 + 1").reply["status"] == "ok"
        assert service.executions() == 5
        idle_since = time.monotonic()
        until(lambda: time.monotonic() > idle_since + 2.5, "two idle seconds")
        assert service.taken() == []


def test_a_silent_cell_costs_a_request_a_second(
    remote: KernelDriver, service: CountingProxy
) -> None:
    remote.run("import time")
    service.taken()
    assert remote.run("time.sleep(4)").reply["status"] == "ok"
    assert service.executions() <= 6


def test_the_code_of_a_cell_travels_once(remote: KernelDriver, service: CountingProxy) -> None:
    service.taken()
    remote.run("'only once'")
    bodies = [json.loads(body)["code"] for method, body in service.taken() if method == "POST"]
    assert sum("only once" in body for body in bodies) == 1
