"""Interpreters that die, and callers who hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tci_kernel.server import calls
from tests.server.embedded import embedded, kill, outputs_so_far, process_id
from tests.server.processes import is_gone
from tests.server.service import Service, text_file
from tests.support.waiting import soon, until


def _running(sign: Path) -> str:
    """Code that gives a sign that it runs."""
    return f"import time, pathlib; pathlib.Path({str(sign)!r}).touch()\n"


DEATHS = {
    "exit status 1": "os._exit(1)",
    "exit status 0": "os._exit(0)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL); time.sleep(60)",
    "SIGSEGV": "import ctypes; ctypes.string_at(0)",
    "signal 35": "os.kill(os.getpid(), 35); time.sleep(60)",  # a real-time signal without a name
}


@pytest.fixture
def neighbour(service: Service, session_id: str, tmp_path: Path) -> Iterator[None]:
    """Another session, in which a cell runs all the while, and afterwards ends well."""
    service.run("kept = 1", session_id)
    sign, go = tmp_path / "neighbour", tmp_path / "go"
    wait = f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    running = service.begin(_running(sign) + wait + "print(kept)", session_id)
    until(sign.exists, "the code runs")
    yield
    go.touch()
    assert running.result().text() == "1\n"


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize(("cause", "code"), DEATHS.items())
def test_an_interpreter_that_dies_costs_the_variables_of_its_own_session_alone(
    service: Service, own_session: str, cause: str, code: str
) -> None:
    service.run("open('kept', 'w').close(); lost = 1", own_session)
    ran = service.run("import os, signal, time\n" + code, own_session)
    assert ran.kinds == ["error"]
    assert cause in ran.text("error")
    assert own_session in service.sessions()
    on = service.run("import os; print(os.listdir(), 'lost' in globals())", own_session)
    assert on.outputs == [{"type": "stdout", "data": "['kept'] False\n"}]


def test_listing_sessions_while_an_interpreter_dies_takes_nothing_from_its_call(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    """To ask changes nothing: the call in which the interpreter dies tells of its death."""
    sign = tmp_path / "sign"
    pid = int(service.run("import os; print(os.getpid())", own_session).text())
    call = service.begin(_running(sign) + "time.sleep(600)", own_session)
    until(sign.exists, "the code runs")
    psutil.Process(pid).kill()
    while not call.done():
        service.sessions()
    ran = call.result()
    assert ran.kinds == ["error"]
    assert ran.text("error").startswith("InterpreterDied")
    assert "SIGKILL" in ran.text("error")


async def test_what_an_interpreter_said_before_it_died_is_not_lost() -> None:
    async with embedded() as server:
        session = await server.pool.create()
        code = "import time; print('so far', flush=True); time.sleep(600)"
        call = asyncio.create_task(server.outputs(code, session))
        await soon(lambda: outputs_so_far(session), "it has said something")
        await kill(process_id(session.workspace))
        said, told = await call
        assert (said.type, said.data) == ("stdout", "so far\n")
        assert told.type == "error"


@pytest.mark.usefixtures("neighbour")
def test_who_calls_next_hears_of_an_interpreter_that_died_between_two_calls(
    service: Service, own_session: str
) -> None:
    pid = int(service.run("import os; print(os.getpid())", own_session).text())
    psutil.Process(pid).kill()
    until(lambda: not psutil.pid_exists(pid), "what there is of it is gone")
    assert own_session in service.sessions()
    said, shown = service.run("print(1)", own_session).outputs
    assert said["type"] == "stderr"
    assert "killed by SIGKILL" in said["data"]
    assert "without variables" in said["data"]
    assert shown == {"type": "stdout", "data": "1\n"}
    assert service.run("print(2)", own_session).outputs == [{"type": "stdout", "data": "2\n"}]


def test_code_that_exits_is_told_and_what_runs_next_starts_another(
    service: Service, own_session: str
) -> None:
    ran = service.run("kept = 1; print('so far'); exit()", own_session)
    assert ran.kinds == ["stdout", "error"]
    assert ran.text("error").startswith("InterpreterDied")
    assert "exit status 0" in ran.text("error")
    assert service.run("print('kept' in globals())", own_session).text() == "False\n"


def test_code_that_exits_but_keeps_the_interpreter_ends_nothing(
    service: Service, own_session: str
) -> None:
    assert service.run("kept = 1; exit(keep_kernel=True)", own_session).outputs == []
    assert service.run("print(kept)", own_session).text() == "1\n"


async def test_an_interpreter_that_was_told_to_exit_and_does_not_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "EXIT_TIMEOUT", 0)
    async with embedded() as server:
        code = "import atexit, time; atexit.register(time.sleep, 600); exit()"
        [told] = await server.outputs(code)
        assert "SIGKILL" in told.data


def test_children_of_an_interpreter_end_with_its_session(
    service: Service, own_session: str
) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    child = psutil.Process(int(service.run(code, own_session).text()))
    service.end(own_session)
    until(lambda: is_gone(child), "the child is gone")


def test_a_client_that_hangs_up_interrupts_its_cell(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    service.run("kept, ended = 1, 'no'", own_session)
    code = "try: time.sleep(600)\nexcept KeyboardInterrupt: ended = 'interrupted'; raise"
    call = service.call(_running(sign) + code, own_session)
    until(sign.exists, "the code runs")
    call.close()
    assert service.run("print(kept, ended)", own_session).text() == "1 interrupted\n"


def test_code_that_swallows_an_interrupt_is_interrupted_again(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    code = """
caught = 0
while caught < 2:
    try: time.sleep(600)
    except KeyboardInterrupt: caught += 1
"""
    call = service.call(_running(sign) + code, own_session)
    until(sign.exists, "the code runs")
    call.close()
    assert service.run("print(caught)", own_session).text() == "2\n"


def test_an_interrupt_reaches_what_a_cell_runs(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    call = service.call(_running(sign) + "!sleep 600", own_session)
    until(sign.exists, "the code runs")
    call.close()
    assert service.run("print('free')", own_session).text() == "free\n"


def test_a_call_whose_client_hangs_up_while_it_waits_never_runs(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    sign, go = tmp_path / "sign", tmp_path / "go"
    wait = f"ran = 'first'\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)"
    first = service.call(_running(sign) + wait, own_session)
    until(sign.exists, "the code runs")
    second = service.call("ran = 'second'", own_session)
    service.sessions()  # the server has read the second call by the time it answers this one
    second.close()
    service.sessions()
    go.touch()
    assert first.getresponse().status == 200
    first.close()
    assert service.run("print(ran)", own_session).text() == "first\n"


def test_a_call_after_a_hang_up_writes_its_files_when_the_code_has_stopped(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    sign, go = tmp_path / "sign", tmp_path / "go"
    code = f"""
try: time.sleep(600)
except KeyboardInterrupt:
    while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)
    seen = pathlib.Path('late').exists()
"""
    first = service.call(_running(sign) + code, own_session)
    until(sign.exists, "the code runs")
    first.close()
    second = service.call("1", own_session, text_file("late"))
    service.sessions()  # the server has read the second call by the time it answers this one
    go.touch()
    assert second.getresponse().status == 200
    second.close()
    ran = service.run("print(seen, pathlib.Path('late').exists())", own_session)
    assert ran.text() == "False True\n"


def test_a_new_session_ends_when_its_first_caller_hangs_up(
    service: Service, session_id: str, tmp_path: Path
) -> None:
    """Nobody knows its id: nobody could ever use it."""
    before = service.sessions()
    sign = tmp_path / "sign"
    code = f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    call = service.call(code + _running(sign) + "time.sleep(600)")
    until(sign.exists, "the code runs")
    abandoned = psutil.Process(int((tmp_path / "pid").read_text()))
    assert len(service.sessions()) == len(before) + 1
    call.close()
    until(lambda: service.sessions() == before, "the new session is gone")
    until(lambda: is_gone(abandoned), "its interpreter is gone")
