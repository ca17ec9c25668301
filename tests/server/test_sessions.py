"""Sessions: real interpreters with a directory, a time to live and an order of their own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tci_kernel.core.errors import RequestRejected
from tests.server import kernelspecs
from tests.server.embedded import embedded, outputs_so_far
from tests.server.service import Ran, Service, body, rejection
from tests.support.contract import check
from tests.support.servers import serving
from tests.support.waiting import PATIENCE, soon, until


def _lifetime(row: dict[str, str]) -> float:
    start, end = (datetime.fromisoformat(row[key]) for key in ("started_at", "expires_at"))
    return (end - start).total_seconds()


def test_a_session_is_a_real_ipython_kernel(service: Service, session_id: str) -> None:
    ran = service.run("!echo shell\n%pwd\nprint(type(get_ipython()).__name__)", session_id)
    assert ran.text().split() == ["shell", "ZMQInteractiveShell"]


def test_state_lasts_between_calls(service: Service, session_id: str) -> None:
    service.run("import math\nradius = 2", session_id)
    ran = service.run("round(math.pi * radius)", session_id)
    assert ran.outputs[0]["data"]["text/plain"] == "6"


def test_each_call_without_an_id_gets_a_session_of_its_own(
    service: Service, session_id: str, own_session: str
) -> None:
    assert re.fullmatch("ses_[A-Za-z0-9]{21}", own_session)
    service.run("mine = 1", session_id)
    assert "NameError" in service.run("mine", own_session).text("error")


def test_each_session_has_a_working_directory_of_its_own(
    service: Service, session_id: str, own_session: str
) -> None:
    code = "import os; print(os.getcwd())"
    one, other = (Path(service.run(code, i).text().strip()) for i in (session_id, own_session))
    assert one != other
    assert list(other.iterdir()) == []
    service.end(own_session)
    until(lambda: not other.exists(), "the directory is gone")
    assert one.is_dir()


def test_the_list_tells_what_a_session_has_done(service: Service, own_session: str) -> None:
    before = service.sessions()[own_session]
    assert before["execute_count"] == 1
    service.run("1", own_session)
    after = service.sessions()[own_session]
    assert after["execute_count"] == 2
    assert after["last_execute_at"] > before["last_execute_at"]
    assert after["started_at"] == before["started_at"]
    assert after["expires_at"] == before["expires_at"]


def test_sessions_live_for_sixty_minutes_unless_told_otherwise(
    service: Service, session_id: str
) -> None:
    assert _lifetime(service.sessions()[session_id]) == 3600


def test_the_history_of_a_session_is_complete_and_on_no_disk(
    service: Service, own_session: str
) -> None:
    ran = service.run("%history -g\nget_ipython().history_manager.hist_file", own_session)
    assert ran.text().startswith("   1: pass\n   2:")
    assert ran.outputs[-1]["data"]["text/plain"] == "':memory:'"


def test_calls_on_one_session_run_one_after_another_in_their_order(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    first = f"""
import pathlib, time
log = ['first starts']
pathlib.Path({str(started)!r}).touch()
while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)
log.append('first ends')
"""
    calls = [service.call(first, own_session)]
    until(started.exists, "the first code runs")
    for name in ("second", "third"):
        calls.append(service.call(f"log.append({name!r})", own_session))
        service.sessions()  # by the time this is answered, the server has read the call before it
    go.touch()
    assert [call.getresponse().status for call in calls] == [200, 200, 200]
    for call in calls:
        call.close()
    log = service.run("print(log)", own_session).text()
    assert log.strip() == str(["first starts", "first ends", "second", "third"])


def test_sessions_run_side_by_side(
    service: Service, session_id: str, own_session: str, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    wait = f"import os, time\nwhile not os.path.exists({str(sign)!r}): time.sleep(0.01)\n"
    waiting = service.begin(wait + "print('seen')", own_session)
    service.run(f"open({str(sign)!r}, 'w').close()", session_id)
    assert waiting.result().text() == "seen\n"


def test_eight_sessions_can_be_created_at_once_and_no_more_than_the_limit() -> None:
    with (
        serving("--max-sessions", "8") as server,
        Service(server.base_url, server.token) as service,
        ThreadPoolExecutor(10) as threads,
    ):
        code = "import os; print(os.getpid(), os.getcwd())"
        answers = list(threads.map(service.post, [body(code)] * 10))
        ran = [Ran.of(answer) for answer in answers if answer.status_code == 200]
        ids = {one.session_id for one in ran}
        processes, directories = zip(*(one.text().split() for one in ran), strict=True)
        assert len(ids) == len(set(processes)) == len(set(directories)) == 8
        assert set(service.sessions()) == ids

        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(refused) == 2
        refused.append(service.post(body("1")))
        for answer in refused:
            error = rejection(answer, 429)
            assert error["type"] == "rate_limit_error"
            assert error["code"] == "too_many_sessions"
            assert 1 <= int(answer.headers["Retry-After"]) <= 3600
        assert int(refused[-1].headers["Retry-After"]) > 3000

        service.end(next(iter(ids)))
        until(lambda: service.post(body("1")).status_code == 200, "there is room")
        assert len(service.sessions()) == 8


@pytest.fixture(scope="module")
def brief() -> Iterator[Service]:
    """A server whose sessions live for four seconds."""
    with (
        serving("--session-lifetime", "4") as server,
        Service(server.base_url, server.token) as service,
    ):
        yield service


def test_an_idle_session_expires_and_a_call_does_not_prolong_it(brief: Service) -> None:
    session_id = brief.run("1").session_id
    row = brief.sessions()[session_id]
    end = row["expires_at"]
    assert _lifetime(row) == 4
    brief.run("1", session_id)
    assert brief.sessions()[session_id]["expires_at"] == end
    until(lambda: session_id not in brief.sessions(), "the session has expired")
    assert datetime.now().astimezone() >= datetime.fromisoformat(end)
    error = brief.refusal(session_id)
    assert error["code"] == "session_ended"
    assert error["param"] == "session_id"
    assert "expired at" in error["message"]


async def test_a_session_that_is_over_is_neither_listed_nor_found() -> None:
    """Its time goes on while a computer sleeps, and nothing else does."""
    async with embedded() as server:
        session = await server.pool.create()
        session.expires_at = datetime.now(UTC)
        assert server.pool.live_sessions() == []
        with pytest.raises(RequestRejected, match="expired at") as raised:
            await server.outputs("1", session)
        assert raised.value.code == "session_ended"
        await soon(lambda: not server.pool._sessions, "somebody has ended it")


async def test_a_session_expires_while_code_runs() -> None:
    async with embedded() as server:
        session = await server.pool.create()
        code = "import time; print('so far', flush=True); time.sleep(600)"
        running = asyncio.create_task(server.outputs(code, session))
        await soon(lambda: outputs_so_far(session), "the code runs")
        waiting = asyncio.create_task(server.outputs("open('ran', 'w')", session))
        await soon(lambda: session.lock._waiters, "another call waits")
        session.expires_at = datetime.now(UTC)
        said, told = await running
        assert (said.type, said.data) == ("stdout", "so far\n")
        assert told.data.startswith("SessionEnded")
        assert "expired at" in told.data
        # The call that waited for its turn never ran, and is told so.
        with pytest.raises(RequestRejected, match="expired at") as raised:
            await waiting
        assert raised.value.code == "session_ended"


async def test_a_session_expires_under_code_that_will_not_stop() -> None:
    async with embedded() as server:
        session = await server.pool.create()
        code = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print('stubborn', flush=True)
time.sleep(600)
"""
        call = asyncio.create_task(server.outputs(code, session))
        await soon(lambda: outputs_so_far(session), "the code runs")
        call.cancel()
        waiting = asyncio.create_task(server.outputs("1", session))
        await soon(session.lock.locked, "another call waits for the code to stop")
        session.expires_at = datetime.now(UTC)
        with pytest.raises(RequestRejected, match="expired at"):
            await waiting


def test_any_installed_kernelspec_can_be_served_and_learns_no_secrets(tmp_path: Path) -> None:
    kernelspecs.install(tmp_path, "marked", kernelspecs.IPYKERNEL, MARK="marked")
    with (
        serving(
            "--kernel-name",
            "marked",
            JUPYTER_PATH=str(tmp_path),
            TOGETHER_API_KEY="a-secret",
        ) as server,
        Service(server.base_url, server.token) as service,
    ):
        names = ("MARK", "TOGETHER_API_KEY", "TCI_SERVER_TOKEN")
        ran = service.run(f"import os; print([os.environ.get(name) for name in {names}])")
        assert ran.text().strip() == str(["marked", None, None])


def test_an_interpreter_that_does_not_start_is_a_clear_error(tmp_path: Path) -> None:
    broken = ["/bin/sh", "-c", "echo out of order; exit 3", "{connection_file}"]
    kernelspecs.install(tmp_path, "broken", broken)
    with (
        serving("--kernel-name", "broken", JUPYTER_PATH=str(tmp_path)) as server,
        Service(server.base_url, server.token) as service,
    ):
        error = rejection(service.post(body("1")), 500)
        assert error["type"] == "server_error"
        assert error["code"] == "interpreter_failed"
        assert "out of order" in error["message"]
        assert service.sessions() == {}


def test_a_session_ends_when_that_is_asked_for(service: Service) -> None:
    kept, session_id = (service.run("pass").session_id for _ in range(2))
    directory = Path(service.run("import os; print(os.getcwd())", session_id).text().strip())
    running = service.begin("print('so far', flush=True)\nimport time; time.sleep(100)", session_id)
    until(lambda: service.sessions()[session_id]["execute_count"] == 3, "the code runs")
    answer = service.delete(session_id)
    assert check("SessionEnded", answer.content)["data"] == {"session_id": session_id}
    assert answer.status_code == 200
    assert session_id not in service.sessions()
    told = running.result(PATIENCE)
    assert "SessionEnded" in told.text("error")
    assert "was ended by request" in told.text("error")
    until(lambda: not directory.exists(), "its directory is gone")
    assert "was ended by request" in service.refusal(session_id)["message"]
    assert service.run("print(1)", kept).text() == "1\n"


def test_a_session_that_is_not_there_cannot_be_ended(service: Service, session_id: str) -> None:
    before = service.sessions()
    for wrong in ("ses_" + "A" * 21, "%2e%2e", "nothing", session_id + "x"):
        assert rejection(service.delete(wrong), 404)["code"] == "session_not_found"
    response = service.http.get(f"/tci/sessions/{session_id}")
    rejection(response, 405)
    assert response.headers["Allow"] == "DELETE"
    assert service.sessions() == before


def test_each_answer_says_what_there_is_beside_the_contract(service: Service) -> None:
    for path in ("/tci/sessions", "/nothing", "/tci/sessions/nothing"):
        assert service.http.get(path).headers["TCI-Extensions"] == "end-sessions, exchange"


def test_no_session_ends_without_the_token(service: Service, session_id: str) -> None:
    with Service(service.base_url, "wrong") as stranger:
        rejection(stranger.delete(session_id), 401)
    assert session_id in service.sessions()
