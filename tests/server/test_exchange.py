"""Exchanges that the server answers itself: with the session's own interpreter."""

from __future__ import annotations

import threading
import time

import httpx
import psutil
import pytest

from tci_kernel.remote.exchanges import VERSION
from tests.server.exchanges import Client, Fields, beside, execute, request, said
from tests.server.service import Service, rejection, text_file
from tests.support.contract import check
from tests.support.waiting import PATIENCE, until


@pytest.fixture
def client(service: Service, own_session: str) -> Client:
    return Client(service, own_session)


# -- one interpreter -------------------------------------------------------------------------------


def test_cells_run_where_requests_to_run_code_do(client: Client, service: Service) -> None:
    service.run("import os; mine, pid = 1, os.getpid()", client.session_id)
    assert said(client.run("print(mine, pid == os.getpid()); theirs = 2")) == "1 True\n"
    assert service.run("print(theirs)", client.session_id).text() == "2\n"
    assert client.state["number"] == 1
    pid = int(service.run("print(os.getpid())", client.session_id).text())
    assert client.state["pid"] == pid
    assert [child.name() for child in psutil.Process(pid).children(recursive=True)] == []


def test_numbers_of_cells_are_shared(client: Client, service: Service) -> None:
    service.run("1", client.session_id)
    reply = client.run("2")[-1]
    assert client.exchange()["count"] == reply["content"]["execution_count"] + 1
    service.run("3", client.session_id)
    assert client.exchange()["count"] == reply["content"]["execution_count"] + 2


def test_the_list_counts_cells_and_not_what_is_hidden(client: Client, service: Service) -> None:
    before = service.sessions()[client.session_id]["execute_count"]
    client.run("1")
    client.run("2", store_history=False)
    client.exchange()
    assert service.sessions()[client.session_id]["execute_count"] == before + 1


def test_the_greeting_tells_of_the_session(client: Client) -> None:
    client.run("1")
    hello = check("ExchangeGreeting", client.post({"ping": True}).content)
    assert hello["version"] == VERSION
    assert hello["relay"] == client.exchange()["relay"]
    other = client.post({"version": VERSION + 1, "messages": "whatever"}).json()
    assert other == hello


def test_a_relay_that_is_offered_is_not_started(service: Service) -> None:
    response = service.http.post(
        "/tci/execute",
        json={"language": "python", "code": "raise SystemExit('it ran')"},
        headers={"TCI-Extensions": "exchange"},
    )
    data = response.json()["data"]
    assert data["outputs"] == []
    listed = service.sessions()[data["session_id"]]
    assert listed["execute_count"] == 0
    client = Client(service, data["session_id"])
    assert said(client.run("print('here')")) == "here\n"
    service.end(data["session_id"])


# -- waits -----------------------------------------------------------------------------------------


def test_an_interrupt_waits_for_its_own_cell_and_spares_what_others_run_before_it(
    client: Client, service: Service
) -> None:
    client.run("import time; ran = ''")
    client.exchange(execute("time.sleep(2)", silent=True, store_history=False))
    call = service.begin("time.sleep(1); ran = 'whole'", client.session_id)
    service.sessions()  # the server has read the call by the time it answers this one
    cell = execute("while True: time.sleep(0.1)")
    client.exchange(cell)
    client.exchange({"channel": "interrupt"})
    end = client.replied(cell)[-1]
    # It strikes as the cell begins, which may be in ipykernel's own code: then there is no reply.
    assert end["header"]["msg_type"] == "status" or end["content"]["ename"] == "KeyboardInterrupt"
    assert call.result().outputs == []
    assert said(client.run("print(ran)")) == "whole\n"


def test_what_is_printed_comes_while_the_cell_runs(client: Client) -> None:
    cell = execute("print(1, flush=True)\nwhile True: time.sleep(0.1)")
    client.run("import time")
    client.exchange(cell)
    assert said(client.until(lambda: bool(client.heard), "output")) == "1\n"
    assert client.exchange()["running"] == [cell["header"]["msg_id"]]
    client.exchange({"channel": "interrupt"})
    assert client.replied(cell)[-1]["content"]["ename"] == "KeyboardInterrupt"


def test_no_request_waits_for_one_that_waits(client: Client, service: Service) -> None:
    other = Client(service, client.session_id)
    client.run("pass")
    waiting = beside(lambda: client.exchange(wait=30))
    start = time.monotonic()
    other.run("pass")
    service.run("pass", client.session_id)
    assert time.monotonic() - start < 15
    assert not waiting.done()
    client_twin = Client(service, client.session_id)
    client_twin.name = client.name  # a newer exchange of the same client ends the wait of the older
    client_twin.received, client_twin.sent = client.received, client.sent
    client_twin.exchange()
    answer = waiting.result(PATIENCE)
    assert answer["messages"] == []
    assert answer["took"] < 30


def test_a_question_comes_behind_what_was_printed_and_is_answered(client: Client) -> None:
    cell = execute("for each in range(20): print(each); _ = input()")
    client.exchange(cell)
    for number in range(20):
        asked = lambda: any(one["channel"] == "stdin" for one in client.heard)  # noqa: E731
        *printed, last = client.until(asked, "a question")
        assert (said(printed), last["channel"]) == (f"{number}\n", "stdin")
        client.exchange(request("input_reply", "stdin", value="x", status="ok"))
    client.replied(cell)


def test_who_hangs_up_interrupts_nothing(client: Client, service: Service) -> None:
    client.run("import time; done = 0")
    cell = execute("time.sleep(1)\ndone = 1")
    with pytest.raises(httpx.ReadTimeout):
        service.http.post(
            f"/tci/sessions/{client.session_id}/exchange",
            json=client.fields([cell], wait=30),
            timeout=0.2,
        )
    client.sent += 1
    assert client.replied(cell)[-1]["content"]["status"] == "ok"
    assert said(client.run("print(done)")) == "1\n"


def test_a_call_that_is_hung_up_interrupts_no_cell_that_runs_before_it(
    client: Client, service: Service
) -> None:
    client.run("import time; ran = 0")
    cell = execute("time.sleep(2)\nran = 1")
    client.exchange(cell)
    client.until(lambda: client.exchange()["running"] != [], "the cell runs")
    call = service.call("ran = 2", client.session_id)
    service.sessions()  # the server has read the call by the time it answers this one
    call.close()
    assert client.replied(cell)[-1]["content"]["status"] == "ok"
    assert service.run("print(ran)", client.session_id).text() in ("1\n", "2\n")


def test_an_answer_that_was_lost_comes_again_and_nothing_runs_twice(client: Client) -> None:
    client.run("times = 0")
    cell = execute("times += 1; print(times)")
    again = client.fields([cell])
    for _ in range(3):
        assert client.post(again).status_code == 200
    client.sent += 1
    assert said(client.replied(cell)) == "1\n"


# -- files -----------------------------------------------------------------------------------------


def test_files_of_a_message_are_written_before_it_and_once(client: Client) -> None:
    cell = {**execute("print(open('data/a').read())"), "files": [text_file("data/a", "content")]}
    again = client.fields([cell])
    client.exchange(cell)
    assert said(client.replied(cell)) == "content\n"
    client.run("import os; os.remove('data/a')")
    again["acknowledged"] = client.received
    assert client.post(again).status_code == 200
    assert said(client.run("print(os.path.exists('data/a'))")) == "False\n"


def test_a_bad_file_is_refused_and_nothing_is_taken(client: Client) -> None:
    cell = {**execute("print('ran')"), "files": [text_file("../out")]}
    error = rejection(client.post(client.fields([cell])), 400)
    assert error["param"] == "files.0.name"
    assert client.exchange()["taken"] == 0


# -- ends ------------------------------------------------------------------------------------------


def test_an_interpreter_that_dies_is_told_and_the_session_lives_on(client: Client) -> None:
    client.run("lost = 1; open('kept', 'w').close()")
    client.exchange(execute("import os; os._exit(3)"))
    client.until(lambda: client.state["state"] == "dead", "the end")
    assert client.state["reason"] == "exit status 3"
    heard = client.run("import os; print(os.listdir(), 'lost' in globals())")
    assert said(heard) == "['kept'] False\n"
    assert (client.state["number"], client.state["before"]) == (2, "exit status 3")


def test_a_restart_begins_anew_in_the_same_session(client: Client) -> None:
    client.run("lost = 1; open('kept', 'w').close()")
    client.exchange({"channel": "restart"})
    heard = client.run("import os; print(os.listdir(), 'lost' in globals())")
    assert said(heard) == "['kept'] False\n"
    assert (client.state["number"], client.state["before"]) == (2, "")


def test_code_waits_for_an_interpreter_that_begins_anew(client: Client, service: Service) -> None:
    client.run("lost = 1")
    client.exchange({"channel": "restart"})
    assert service.run("print('lost' in globals())", client.session_id).text() == "False\n"


def test_a_session_that_ends_is_told_to_who_waits(client: Client, service: Service) -> None:
    client.run("pass")
    waiting = beside(lambda: client.post(client.fields([], wait=30)))
    until(lambda: threading.active_count() > 1, "it waits")
    service.end(client.session_id)
    error = rejection(waiting.result(PATIENCE), 404)
    assert error["code"] == "session_ended"


# -- bad input -------------------------------------------------------------------------------------

BAD: dict[str, tuple[Fields, str]] = {
    "no client": ({"client": None}, "client"),
    "a long client": ({"client": "x" * 101}, "client"),
    "a first of 0": ({"first": 0}, "first"),
    "a wait that is none": ({"wait": "long"}, "wait"),
    "a wait below 0": ({"wait": -1}, "wait"),
    "a limit that is none": ({"limit": True}, "limit"),
    "messages that are none": ({"messages": {}}, "messages"),
    "a message that is none": ({"messages": [1]}, "messages.0"),
    "no channel": ({"messages": [{}]}, "messages.0"),
    "no header": ({"messages": [{"channel": "shell"}]}, "messages.0.header"),
    "no content": (
        {"messages": [{"channel": "shell", "header": {"msg_id": "1", "msg_type": "x"}}]},
        "messages.0.content",
    ),
    "a buffer that is none": (
        {"messages": [{**execute("1"), "buffers": ["%"]}]},
        "messages.0.buffers",
    ),
    "files that are none": ({"messages": [{**execute("1"), "files": 1}]}, "files"),
}


@pytest.mark.parametrize(("fields", "param"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_the_field_at_fault(
    service: Service, session_id: str, fields: Fields, param: str
) -> None:
    client = Client(service, session_id)
    error = (
        rejection(client.post(client.fields([], **fields)), 400)
        if ("messages" not in fields)
        else rejection(client.post({**client.fields([]), **fields}), 400)
    )
    assert error["param"] == param


@pytest.mark.parametrize("name", ["version", "client", "acknowledged", "first", "wait", "limit"])
def test_each_field_is_needed(service: Service, session_id: str, name: str) -> None:
    fields = Client(service, session_id).fields([])
    del fields[name]
    error = rejection(Client(service, session_id).post(fields), 400)
    assert error["param"] == name


def test_an_unknown_session_has_no_exchanges(service: Service) -> None:
    error = rejection(Client(service, "ses_nothing").post({"ping": True}), 404)
    assert error["code"] == "session_not_found"
