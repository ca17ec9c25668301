"""What a cell's outputs become, from a real kernel process over real ZeroMQ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.support import contract
from tests.support.faulty import SESSION, Action, FaultyServer, answer, faulty_server
from tests.support.kernels import BARE, KernelDriver, kernel
from tests.support.servers import ServerProcess
from tests.support.vscode import HIDDEN

# A PNG of one pixel, as base64 with the line end that some encoders add.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg==\n"
)

BUNDLE = {
    "image/png": PIXEL,
    "image/svg+xml": "<svg/>",
    "text/plain": "<Figure>",
    "text/html": "<b>ü</b>",
    "application/json": {"a": [1, None]},
    "application/vnd.vegalite.v5+json": {"mark": "bar"},
    "application/x-unheard-of": "kept",
}


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    with faulty_server([]) as server:
        yield server


@pytest.fixture(scope="module")
def scripted() -> Iterator[tuple[KernelDriver, FaultyServer]]:
    """One kernel at a service whose answers each test sets."""
    with (
        faulty_server([]) as server,
        kernel("tci", BARE, TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        yield driver, server


def play(scripted: tuple[KernelDriver, FaultyServer], *actions: Action) -> KernelDriver:
    driver, server = scripted
    server.play(*actions)
    return driver


def test_prints_become_streams_in_order(each_kernel: KernelDriver) -> None:
    cell = each_kernel.run("import sys\nprint('one')\nprint('two', file=sys.stderr, flush=True)")
    assert cell.reply["status"] == "ok"
    assert cell.text("stdout") == "one\n"
    assert cell.text("stderr") == "two\n"


def test_a_value_becomes_a_result_with_the_cells_number(each_kernel: KernelDriver) -> None:
    cell = each_kernel.run("6 * 7")
    result = cell.only("execute_result")
    assert result["data"] == {"text/plain": "42"}
    assert result["execution_count"] == cell.count == cell.reply["execution_count"]


def test_state_lasts_from_cell_to_cell(each_kernel: KernelDriver) -> None:
    each_kernel.run("kept = 'here'")
    assert each_kernel.run("kept").only("execute_result")["data"]["text/plain"] == "'here'"


def test_a_display_keeps_every_mime_type_untouched(
    scripted: tuple[KernelDriver, FaultyServer],
) -> None:
    cell = play(scripted, answer(("display_data", BUNDLE), ("execute_result", BUNDLE))).run("x")
    assert cell.only("display_data")["data"] == BUNDLE
    assert cell.only("execute_result")["data"] == BUNDLE


def test_outputs_keep_their_order_and_precede_the_reply(
    scripted: tuple[KernelDriver, FaultyServer],
) -> None:
    outputs = [("stdout", "a"), ("display_data", {"text/plain": "b"}), ("stderr", "c")]
    cell = play(scripted, answer(*outputs, ("stdout", "d"))).run("x")
    kinds = [message["msg_type"] for message in cell.published]
    assert kinds == [
        *("status", "execute_input", "stream", "display_data", "stream", "stream", "status"),
    ]


def test_an_error_is_one_message_and_a_reply_that_agree(each_kernel: KernelDriver) -> None:
    cell = each_kernel.run("def f():\n    raise KeyError('no such thing')\nf()")
    assert cell.reply["status"] == "error"
    error = cell.only("error")
    assert error == {name: cell.reply[name] for name in ("ename", "evalue", "traceback")}
    assert (error["ename"], error["evalue"]) == ("KeyError", "'no such thing'")
    assert "in f" in re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error["traceback"]))


@pytest.mark.parametrize(
    ("text", "ename", "evalue"),
    [
        ("NameError: name 'x' is not defined", "NameError", "name 'x' is not defined"),
        ("", "Error", "the interpreter reported an error without any text"),
        (
            'Traceback (most recent call last):\n  File "<stdin>", line 1\na.b.JSONError: e: 1',
            "JSONError",
            "e: 1",
        ),
    ],
)
def test_an_error_is_read_from_each_form(
    scripted: tuple[KernelDriver, FaultyServer], text: str, ename: str, evalue: str
) -> None:
    cell = play(scripted, answer(("error", text))).run("x")
    assert (cell.reply["ename"], cell.reply["evalue"]) == (ename, evalue)
    assert cell.only("error")["ename"] == ename


def test_a_second_error_is_shown_as_text(scripted: tuple[KernelDriver, FaultyServer]) -> None:
    cell = play(scripted, answer(("error", "A: 1"), ("stdout", "on"), ("error", "B: 2"))).run("x")
    assert cell.only("error")["ename"] == cell.reply["ename"] == "A"
    assert cell.text("stderr") == "B: 2\n"


def test_a_huge_stream_comes_in_chunks_and_whole(each_kernel: KernelDriver) -> None:
    cell = each_kernel.run("print('0123456789' * 500_000)")
    sizes = [len(content["text"]) for kind, content in cell.outputs if kind == "stream"]
    assert sum(sizes) == 5_000_001
    assert max(sizes) <= 65_536


def test_thousands_of_displays_arrive_without_a_gap(
    scripted: tuple[KernelDriver, FaultyServer],
) -> None:
    outputs = [("display_data", {"text/plain": str(i)}) for i in range(5000)]
    cell = play(scripted, answer(*outputs)).run("x")
    shown = [content["data"]["text/plain"] for _, content in cell.outputs]
    assert shown == [str(i) for i in range(5000)]


def test_text_that_utf8_cannot_carry_is_replaced(
    scripted: tuple[KernelDriver, FaultyServer],
) -> None:
    assert play(scripted, answer(("stdout", "a\ud800b"))).run("x").text() == "a\ufffdb"


def test_code_travels_verbatim_under_one_session(
    scripted: tuple[KernelDriver, FaultyServer],
) -> None:
    code = "  %time x = '\u00fc\U0001f600'\r\n!ls\t"
    driver = play(scripted, answer())
    driver.run(code)
    driver.run(code)
    bodies = [request.json() for request in scripted[1].executions]
    assert [body["code"] for body in bodies] == [code, code]
    assert bodies[1]["session_id"] == SESSION


def test_only_the_users_cells_are_counted(each_kernel: KernelDriver) -> None:
    first = each_kernel.run("1")
    hidden = each_kernel.run("2", store_history=False)
    assert hidden.only("execute_result")["data"]["text/plain"] == "2"
    silent = each_kernel.run("3", silent=True)
    assert silent.outputs == []
    assert each_kernel.run("4").count == first.count + 1


def test_a_silent_cell_shows_all_but_its_value_and_leaves_no_trace(
    each_kernel: KernelDriver,
) -> None:
    first = each_kernel.run("'first'")
    silent = each_kernel.run("print('seen'); 41", silent=True)
    assert silent.reply["status"] == "ok"
    assert silent.outputs == [("stream", {"name": "stdout", "text": "seen\n"})]
    assert "execute_input" not in [message["msg_type"] for message in silent.published]
    failed = each_kernel.run("print('before'); 1/0", silent=True)
    assert [kind for kind, _ in failed.outputs] == ["stream", "error"]
    assert failed.reply["ename"] == failed.only("error")["ename"] == "ZeroDivisionError"
    history = each_kernel.client.history(hist_access_type="tail", n=2)
    recent = [row[2] for row in each_kernel.reply(history)["content"]["history"]]
    assert recent[-1] == "'first'"
    assert each_kernel.run("2").count == first.count + 1


def test_a_silent_cells_displays_are_shown(local_kernel: KernelDriver) -> None:
    code = "from IPython.display import display; display('seen'); 41"
    silent = local_kernel.run(code, silent=True)
    assert [kind for kind, _ in silent.outputs] == ["display_data"]
    assert silent.only("display_data")["data"] == {"text/plain": "'seen'"}


def test_a_silent_cell_is_as_ipykernel_has_it(local_kernel: KernelDriver) -> None:
    code = "from IPython.display import display\nprint('a')\ndisplay('b')\n{end}"
    with kernel("python3") as other:
        for end in ("41", "1/0"):
            ours, theirs = (
                driver.run(code.format(end=end), silent=True) for driver in (local_kernel, other)
            )
            assert [kind for kind, _ in ours.outputs] == [kind for kind, _ in theirs.outputs]
            assert ours.reply["status"] == theirs.reply["status"]


def test_a_failing_cell_is_counted(each_kernel: KernelDriver) -> None:
    failed = each_kernel.run("1/0")
    assert each_kernel.run("1").count == failed.count + 1


@pytest.mark.parametrize("code", ["", "   \n\t"])
def test_an_empty_cell_makes_no_request(
    scripted: tuple[KernelDriver, FaultyServer], code: str
) -> None:
    driver = play(scripted, answer())
    before = driver.run("1").count
    scripted[1].requests.clear()
    cell = driver.run(code)
    assert cell.reply["status"] == "ok"
    assert cell.outputs == []
    assert scripted[1].requests == []
    assert driver.run("1").count == before + 1


def test_hidden_requests_buy_no_session(service: FaultyServer) -> None:
    service.actions.append(answer(("stdout", "ran")))
    with kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver:
        assert driver.run("print('ran')", **HIDDEN).reply["status"] == "ok"
        assert driver.run("print('ran')", silent=True).reply["status"] == "error"
        assert service.requests == []
        assert driver.run("print('ran')").text() == "ran"
        # Where the session is there anyway, they run in it.
        assert driver.run("print('ran')", store_history=False).text() == "ran"
        assert len(service.executions) == 2


def test_cells_of_a_program_that_can_ask_nobody_begin_a_session(server: ServerProcess) -> None:
    with kernel(TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token) as driver:
        assert driver.run("x = 1; x", store_history=False).only("execute_result")
        assert driver.run("print(x)", store_history=False).text() == "1\n"
        assert driver.run("x").count == 1


def test_silent_code_is_refused_where_it_would_have_to_buy_a_session(
    server: ServerProcess,
) -> None:
    show = "from IPython.display import display; display(x)"
    with kernel(TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token) as driver:
        refused = driver.run("x = 1", silent=True)
        assert [kind for kind, _ in refused.outputs] == ["error"]
        assert refused.reply["ename"] == refused.only("error")["ename"] == "NoSession"
        assert "did not run" in refused.reply["evalue"]
        for nothing in ("", " \n"):
            assert driver.run(nothing, silent=True).reply["status"] == "ok"
        assert driver.run("x = 2").count == 1
        assert driver.run(show, silent=True).only("display_data")["data"] == {"text/plain": "2"}


def test_after_an_error_queued_cells_are_aborted(each_kernel: KernelDriver) -> None:
    client = each_kernel.client
    failing = client.execute("import time; time.sleep(0.5); 1/0")
    queued = [client.execute("print('never')") for _ in range(3)]
    assert each_kernel.finish(failing).reply["status"] == "error"
    for msg_id in queued:
        cell = each_kernel.finish(msg_id)
        assert cell.reply["status"] == "aborted"
        assert cell.outputs == []
    assert each_kernel.run("'and on'").reply["status"] == "ok"


def test_queued_cells_go_on_where_errors_do_not_stop(each_kernel: KernelDriver) -> None:
    failing = each_kernel.client.execute("1/0", stop_on_error=False)
    queued = each_kernel.client.execute("print('on')")
    assert each_kernel.finish(failing).reply["status"] == "error"
    assert each_kernel.finish(queued).text() == "on\n"


def test_requests_validate_against_the_contract(
    scripted: tuple[KernelDriver, FaultyServer],
) -> None:
    driver = play(scripted, answer())
    driver.run("first")
    driver.run("second")
    for request in scripted[1].executions:
        contract.check("ExecuteRequest", request.body)
        assert request.path == "/v1/tci/execute"
        assert request.headers["authorization"] == "Bearer key"
        assert request.headers["content-type"] == "application/json"
        assert json.loads(request.body)["language"] == "python"
