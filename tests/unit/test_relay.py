"""The relay in a plain Python process: exchanges with it, and what it survives."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest

from tci_kernel.core.messages import Message
from tci_kernel.remote.exchanges import VERSION
from tci_kernel.remote.relay import MODULE
from tci_kernel.session.live.exchange import Incoming
from tests.support.relays import Client, RelayProcess, call, kinds, launch, relay_process, said
from tests.support.waiting import PATIENCE, until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """One for the tests that leave it as they found it."""
    with relay_process(tmp_path_factory.mktemp("session")) as process:
        yield process


@pytest.fixture
def process(tmp_path: Path) -> Iterator[RelayProcess]:
    """One of a test's own."""
    with relay_process(tmp_path) as process:
        yield process


@pytest.fixture
def client(shared: RelayProcess) -> Client:
    return shared.client()


def is_there(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def ended(pid: int, what: str) -> None:
    until(lambda: not is_there(pid), f"the end of {what}")


# -- messages --------------------------------------------------------------------------------------


def test_a_cells_messages_come_in_order_and_its_reply_comes_last(client: Client) -> None:
    heard = client.run("print('a')\ndisplay('b')\n'c'")
    assert kinds(heard) == ["stream", "display_data", "execute_result", "execute_reply"]
    assert [one.channel for one in heard] == ["iopub", "iopub", "iopub", "shell"]
    assert heard[-1].message.content["status"] == "ok"
    assert len({one.parent_id for one in heard}) == 1


def test_an_error_is_the_interpreters_own(client: Client) -> None:
    heard = client.run("1 / 0")
    assert kinds(heard) == ["error", "execute_reply"]
    assert heard[0].message.content["ename"] == "ZeroDivisionError"


def test_what_is_shown_comes_while_the_cell_runs(client: Client) -> None:
    msg_id = client.execute("import time\nprint('early', flush=True)\nwhile True: time.sleep(0.1)")
    heard = client.until(lambda _: client.heard, "the first output")
    assert said(heard) == "early\n"
    assert client.answer is not None
    assert client.answer.running == [msg_id]
    client.send("interrupt")
    heard = client.replied(msg_id)
    assert heard[0].message.content["ename"] == "KeyboardInterrupt"


def test_a_question_is_answered(client: Client) -> None:
    msg_id = client.execute("print(input('name? '))")
    (asked,) = client.until(lambda _: client.heard, "the question")
    assert (asked.channel, asked.message.type) == ("stdin", "input_request")
    assert asked.message.content["prompt"] == "name? "
    client.request("input_reply", "stdin", value="Ada", status="ok")
    assert said(client.replied(msg_id)) == "Ada\n"


def test_what_was_printed_before_a_question_comes_before_it(client: Client) -> None:
    msg_id = client.execute("for each in range(50): print(each); _ = input()")
    for number in range(50):
        heard = client.until(lambda _: "input_request" in kinds(client.heard), "a question")
        *before, last = kinds(heard)
        assert (set(before), last) == ({"stream"}, "input_request")
        assert said(heard) == f"{number}\n"
        client.request("input_reply", "stdin", value="", status="ok")
    client.replied(msg_id)


def test_requests_on_the_control_channel_do_not_wait_for_a_cell(client: Client) -> None:
    running = client.execute("import time\nwhile True: time.sleep(0.1)")
    asked = client.request("kernel_info_request", "control")
    (reply,) = client.replied(asked)
    assert (reply.channel, reply.message.type) == ("control", "kernel_info_reply")
    client.send("interrupt")
    client.until(lambda _: ends_of(client.heard, running), "the end of the cell")


def test_the_interpreter_is_described_where_that_is_asked_for(client: Client) -> None:
    assert client.exchange().interpreter.info == {}
    client.child()
    info = client.exchange(describe=True).interpreter.info
    assert info["implementation"] == "ipython"


def test_the_number_of_the_next_cell_is_told_to_all(shared: RelayProcess, client: Client) -> None:
    (reply,) = client.run("pass")
    number = reply.message.content["execution_count"] + 1
    assert client.exchange().count == number
    assert shared.client().exchange().count == number
    assert shared.said('{"ping": true}') == {**shared.hello, "count": number}


# -- numbers ---------------------------------------------------------------------------------------


def test_the_same_exchange_twice_is_taken_once(client: Client) -> None:
    client.execute("once = globals().get('once', 0) + 1")
    client.lose()
    client.lose()
    assert client.value("print(once)") == "1\n"


def test_messages_that_come_again_with_new_ones_are_taken_once(client: Client) -> None:
    client.execute("twice = globals().get('twice', 0) + 1")
    client.lose()
    client.execute("twice = globals().get('twice', 0) + 1")
    assert client.value("print(twice)") == "2\n"


def test_messages_behind_a_gap_are_not_taken(client: Client) -> None:
    client.send("none")
    client.execute("print('never')")
    taken = client.exchange(first=2).taken
    assert taken == 0
    assert client.exchange().taken == 2


def test_what_was_not_acknowledged_comes_again_at_once(
    shared: RelayProcess, client: Client
) -> None:
    other = shared.client()
    msg_id = client.execute("print('again')")
    client.lose()
    until(lambda: msg_id not in other.exchange().running, "the cell's end")
    client.lose()
    began = time.monotonic()
    again = client.exchange(wait=50)
    assert time.monotonic() < began + 40
    assert [text["header"]["msg_type"] for text in again.texts] == ["stream", "execute_reply"]


def test_a_reply_comes_also_where_the_end_of_its_cell_is_lost(client: Client) -> None:
    code = """
kernel = get_ipython().kernel
publish = kernel._publish_status_and_flush
def lose(status, *arguments, **options):
    kernel._publish_status_and_flush = publish
kernel._publish_status_and_flush = lose
print("printed")
"""
    assert said(client.run(code)) == "printed\n"
    assert client.exchange().running == []
    assert said(client.run("print('next')")) == "next\n"


def test_an_interrupt_that_comes_as_a_cell_begins_is_not_lost(client: Client) -> None:
    for _ in range(20):
        end = _end_of_interrupted(client)
        # ipykernel loses the reply where the interrupt strikes in its own code.
        assert end.type == "status" or end.content["ename"] == "KeyboardInterrupt"


def _end_of_interrupted(client: Client) -> Message:
    """What ends a cell that is interrupted as it begins."""
    msg_id = client.execute("import time\nwhile True: time.sleep(0.1)")
    client.exchange()
    client.send("interrupt")
    ended = client.until(lambda _: ends_of(client.heard, msg_id), "the end of the cell")
    (end,) = ends_of(ended, msg_id)
    return end


def ends_of(heard: list[Incoming], msg_id: str) -> list[Message]:
    """The messages that end a request."""
    own = [one.message for one in heard if one.parent_id == msg_id]
    return [message for message in own if message.type in ("status", "execute_reply")]


def test_a_large_message_comes_in_parts(client: Client) -> None:
    msg_id = client.execute("display({'text/plain': '\"ü\"' * 50_000}, raw=True)")
    sizes = []
    while not client.has_reply(msg_id):
        answer = client.exchange(wait=1, limit=70_000)
        sizes.append(sum(len(json.dumps(text)) for text in answer.texts))
    shown, _ = client.until(lambda _: True, "")
    assert shown.message.content["data"]["text/plain"] == '"ü"' * 50_000
    assert len(sizes) > 3


def test_a_flood_is_told_with_its_end(client: Client) -> None:
    heard = client.run("for number in range(100_000): print(number)")
    assert said(heard) == "".join(f"{number}\n" for number in range(100_000))


def test_many_messages_go_in_at_once(client: Client) -> None:
    for _ in range(2_000):
        client.request("comm_info_request", "control")
    last = client.execute("print('through')")
    assert said(client.replied(last)) == "through\n"


def test_a_request_may_come_in_a_file(shared: RelayProcess, client: Client) -> None:
    where = Path(shared.run("import os; print(os.getcwd())").strip())
    msg_id = client.execute("print('filed')")
    (where / "request").write_text(client.text())
    shared.said('{"file": "request"}')
    assert not (where / "request").exists()
    assert said(client.replied(msg_id)) == "filed\n"


# -- several clients -------------------------------------------------------------------------------


def test_each_client_has_its_own_messages_and_numbers(shared: RelayProcess) -> None:
    first, second = shared.client(), shared.client()
    heard = [one for _ in range(3) for one in first.run("print('first')")]
    assert said(heard) == "first\n" * 3
    assert said(second.run("print('second')")) == "second\n"
    assert first.exchange().texts == second.exchange().texts == []
    assert first.received == len(heard)
    assert second.received < first.received


def test_what_concerns_all_is_told_to_all(shared: RelayProcess) -> None:
    first, second = shared.client(), shared.client()
    second.exchange()
    first.run("from comm import create_comm; shared_comm = create_comm(target_name='test')")
    heard = second.until(lambda _: second.heard, "the comm")
    assert kinds(heard) == ["comm_open"]


def test_who_joins_hears_what_others_have_not_fetched(process: RelayProcess) -> None:
    first, second = process.client(), process.client()
    msg_id = first.execute("print('begun', flush=True)\nprint(input())")
    first.lose(wait=PATIENCE)  # the question does not arrive
    second.send("join")
    asked = second.until(lambda _: "input_request" in kinds(second.heard), "the question")
    assert said(asked) == "begun\n"
    second.request("input_reply", "stdin", value="answered", status="ok")
    heard = second.until(lambda _: second.has_reply(msg_id), "the end of what runs")
    assert said(heard) == "answered\n"


def test_what_a_task_prints_belongs_to_its_cell_however_many_came_since(
    process: RelayProcess,
) -> None:
    process.run(f"type(__import__('sys').modules[{MODULE!r}]).answer.__globals__['OWNERS'] = 3")
    client = process.client()
    begin = """
        import asyncio
        tick, told = asyncio.Event(), asyncio.Event()
        async def tell():
            while await tick.wait():
                tick.clear(); print("told", flush=True); told.set()
        task = asyncio.create_task(tell())
    """
    msg_id = client.execute(dedent(begin))
    client.replied(msg_id)
    for _ in range(12):
        client.heard = client.run("told.clear(); tick.set(); await told.wait()")
        heard = client.until(lambda _: said(client.heard) == "told\n", "what the task tells")
        assert {one.parent_id for one in heard if one.message.type == "stream"} == {msg_id}


# -- waits -----------------------------------------------------------------------------------------


def test_an_exchange_waits_no_longer_than_it_says(client: Client) -> None:
    client.child()
    began = time.monotonic()
    assert client.exchange(wait=0.2).texts == []
    assert time.monotonic() >= began + 0.2
    client.exchange(wait=0)


def test_a_hang_up_ends_the_wait_and_nothing_else(
    shared: RelayProcess, client: Client, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    code = f"open({str(began)!r}, 'w').close()\nwhile not __import__('time').sleep(0.1): pass"
    msg_id = client.execute(code)
    shared.begin(f"__import__('sys').modules[{MODULE!r}].exchange({client.text(wait=60)!r})")
    until(began.exists, "the cell's beginning")
    shared.hang_up()
    answer = client.take(shared.end(PATIENCE / 2))
    assert (answer.texts, answer.running) == ([], [msg_id])
    client.send("interrupt")
    assert client.replied(msg_id)[0].message.content["ename"] == "KeyboardInterrupt"
    handler = shared.run("import signal; print(signal.getsignal(signal.SIGINT))")
    assert "default_int_handler" in handler


# -- versions and errors ---------------------------------------------------------------------------


def test_of_another_version_nothing_is_taken(shared: RelayProcess, client: Client) -> None:
    client.execute("print('never')")
    said_of_it = shared.said(client.text().replace(f'"version": {VERSION}', '"version": 99'))
    assert said_of_it["version"] == VERSION
    assert "taken" not in said_of_it
    assert client.answer is None


@pytest.mark.parametrize("message", [{"channel": "iopub"}, {"channel": "no such"}])
def test_what_is_sent_to_no_channel_is_passed_over(client: Client, message: Any) -> None:
    client.send(message["channel"])
    assert client.exchange().taken == 1
    assert said(client.run("print('alive')")) == "alive\n"


def test_it_is_started_once(shared: RelayProcess, client: Client) -> None:
    pid = client.child()
    assert shared.hello["relay"] in shared.run(launch())
    assert client.child() == pid


def test_it_leaves_no_names_in_the_session(shared: RelayProcess, client: Client) -> None:
    client.run("pass")
    names = shared.run("print([name for name in globals()])")
    assert set(eval(names)) <= {"__name__", "__builtins__", "os", "signal"}


def test_in_an_ipython_it_leaves_neither_names_nor_inputs_nor_numbers(
    process: RelayProcess,
) -> None:
    session = process.client()  # its interpreter is a session of another relay here
    names = "print(sorted(name for name in globals() if not name.startswith('_i')), In[-2])"
    session.run("before = 1")
    before = session.value(names)
    assert "before" in before
    number = session.run("before = 1")[-1].message.content["execution_count"]
    assert '"relay"' in session.value(launch())
    assert '"relay"' in session.value(call('{"ping": true}'))
    inner = Client(process)
    inner.execute("print('inner')")
    inner.take(session.value(call(inner.text(wait=PATIENCE, gather=PATIENCE))))
    assert said(inner.heard) == "inner\n"
    heard = session.run(names)
    assert said(heard) == before
    assert heard[-1].message.content["execution_count"] == number + 1


# -- what goes wrong in the interpreter ------------------------------------------------------------


def test_a_killed_interpreter_is_told_and_the_next_message_starts_another(
    process: RelayProcess,
) -> None:
    client = process.client()
    pid = client.child()
    client.execute("print('last', flush=True)\nwhile True: pass")
    client.until(lambda _: said(client.heard) == "last\n", "the last output")
    os.kill(pid, signal.SIGKILL)
    client.until(lambda _: client.answer and client.answer.interpreter.state == "dead", "its end")
    assert client.answer is not None
    assert client.answer.interpreter.reason == "killed by SIGKILL"
    assert client.answer.count == 1
    (reply,) = client.run("new = 1")
    assert reply.message.content["execution_count"] == 1
    state = client.exchange().interpreter
    assert (state.number, state.state, state.before) == (2, "ready", "killed by SIGKILL")


def test_an_interpreter_that_ends_says_how(process: RelayProcess) -> None:
    client = process.client()
    client.execute("import os; os._exit(3)")
    client.until(lambda _: client.answer and client.answer.interpreter.state == "dead", "its end")
    assert client.answer is not None
    assert client.answer.interpreter.reason == "exit status 3"


def test_a_restart_begins_anew_in_the_same_session(process: RelayProcess) -> None:
    client = process.client()
    old = client.child()
    client.run("x = 1")
    client.send("restart")
    client.exchange()
    assert client.value("print('x' in globals())") == "False\n"
    assert client.child() != old
    ended(old, "the old interpreter")


@pytest.mark.parametrize(
    ("module", "said"), [("raise SystemExit(7)", "it ended at once"), ("1 / 0", "ZeroDivision")]
)
def test_an_interpreter_that_can_not_be_started_says_why(
    tmp_path: Path, module: str, said: str
) -> None:
    (tmp_path / "ipykernel_launcher.py").write_text(module)
    with relay_process(tmp_path, PYTHONPATH=str(tmp_path)) as process:
        client = process.client()
        client.until(lambda _: client.answer and client.answer.interpreter.reason, "why")
        assert client.answer is not None
        assert client.answer.interpreter.state == "failed"
        assert said in client.answer.interpreter.reason


def test_without_ipykernel_it_fails_with_a_word(tmp_path: Path) -> None:
    (tmp_path / "jupyter_client.py").write_text("raise ImportError('no such package')")
    with relay_process(tmp_path, PYTHONPATH=str(tmp_path)) as process:
        assert process.hello["version"] == VERSION
        assert "no such package" in process.hello["failed"]


def test_where_the_usual_place_is_full_another_is_taken(tmp_path: Path) -> None:
    full = f"import tempfile; tempfile.tempdir = {str(tmp_path / 'none')!r}\n{launch()}"
    with relay_process(tmp_path, full) as process:
        assert said(process.client().run("print('hello')")) == "hello\n"


# -- its end ---------------------------------------------------------------------------------------


def started(client: Client) -> tuple[int, int]:
    """The interpreter's process, and one that a cell has started and that it leaves running."""
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    return client.child(), int(client.value(code))


def test_the_interpreter_ends_with_the_process_of_the_relay(process: RelayProcess) -> None:
    pids = started(process.client())
    process.kill()
    for pid in pids:
        ended(pid, "what the relay's process leaves")


def test_an_interpreter_that_starts_ends_with_the_process_of_the_relay(
    process: RelayProcess,
) -> None:
    answer = process.client().exchange()
    assert answer.interpreter.state == "starting"
    process.kill()
    ended(answer.interpreter.pid, "the interpreter")


def test_where_the_process_ends_by_itself_nothing_is_left(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with relay_process(tmp_path, TMPDIR=str(place)) as process:
        pids = started(process.client())
        assert [*place.glob("tci-*")]
    for pid in pids:
        ended(pid, "what the relay's process leaves")
    assert not [*place.glob("tci-*")]


def test_an_interpreter_that_ends_takes_along_what_it_has_started(process: RelayProcess) -> None:
    client = process.client()
    interpreter, other = started(client)
    os.kill(interpreter, signal.SIGKILL)
    ended(other, "what the interpreter has started")


# -- what it survives ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "%reset -f",
        "import os; os.chdir('/')",
        "import os, tempfile; os.chdir(tempfile.mkdtemp()); os.rmdir(os.getcwd())",
        "import sys; sys.modules.pop('threading')",
        "for name in [*globals()]: name.startswith('_') or globals().pop(name)",
        "import sys; sys.stdout.close()",  # the last one, since nothing is printed any more
    ],
)
def test_cells_run_on_after(client: Client, code: str) -> None:
    client.run(code)
    alive = "__import__('sys').modules['_tci_kernel_companion'].alive()"
    heard = client.run("6 * 7", user_expressions={"alive": alive})
    assert heard[0].message.content["data"] == {"text/plain": "42"}
    assert "data" in heard[-1].message.content["user_expressions"]["alive"]


def test_a_cell_that_has_not_begun_is_interrupted_as_it_begins(client: Client) -> None:
    # Where it strikes in ipykernel's own code there is no reply, but the end.
    ends = {"execute_reply", "status"}
    for _ in range(10):
        running = client.execute("import time\nwhile True: time.sleep(0.1)")
        client.send("interrupt")
        client.until(
            lambda it: ends & {one.message.type for one in it.heard}, f"an end of {running}"
        )
        assert client.answer
        assert not client.answer.running
