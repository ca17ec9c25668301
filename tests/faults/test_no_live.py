"""Sessions in which no interpreter can be started: their cells run directly, in the same one."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import ExecutionRefused, Interrupted
from tci_kernel.session.automatic import Execution
from tests.server.kernelspecs import install
from tests.support.counting import EXTENSIONS, counted
from tests.support.gateway import (
    Gateway,
    Reply,
    answers,
    cut,
    first,
    gateway,
    one_after_another,
)
from tests.support.kernels import kernel
from tests.support.live import live_session, messages_of, printed
from tests.support.measuring import UNMEASURED
from tests.support.plain import plain_service
from tests.support.servers import TOKEN, serving
from tests.support.waiting import soon

# Seconds in which the first cell of a session has run, whatever keeps it from running live.
FIRST_CELL = 25.0

# What a session's own interpreter does first. Root may start processes whatever the system's limits
# say, so that a limit would show nothing: here the call fails as it does for everybody else.
FORBID_PROCESSES = """
import subprocess
def refuse(self, *args, **options):
    raise BlockingIOError(11, "Resource temporarily unavailable")
subprocess.Popen.__init__ = refuse
"""
BREAK_CHILD = """
import os
os.environ["PYTHONPATH"] = {place!r}
"""
LAUNCH = "from ipykernel import kernelapp; kernelapp.launch_new_instance()"

# What the child runs in the place of ipykernel's launcher.
LAUNCHERS = {
    "ends at once": "raise SystemExit('not on this machine')",
    "is killed at once": "import os; os.kill(os.getpid(), 9)",
    "can't be imported": "import ipykernel_that_nobody_has",
    "never answers": "import time; time.sleep(600)",
}

# How each case is told of, where the live way is wanted and no other.
REASONS = {
    "processes are forbidden": "Resource temporarily unavailable",
    "ends at once": "not on this machine",
    "is killed at once": "ended at once",
    "can't be imported": "ipykernel_that_nobody_has",
    "never answers": "did not answer in 20 s",
}


@contextmanager
def serving_case(place: Path, name: str) -> Iterator[Gateway]:
    """A gateway before a server in whose sessions no interpreter can be started."""
    prepare = FORBID_PROCESSES
    if name in LAUNCHERS:
        broken = place / "broken"
        broken.mkdir()
        (broken / "ipykernel_launcher.py").write_text(LAUNCHERS[name])
        prepare = BREAK_CHILD.format(place=str(broken))
    argv = [sys.executable, "-c", prepare + LAUNCH, "-f", "{connection_file}"]
    install(place, "case", argv, **UNMEASURED)
    path = os.pathsep.join(filter(None, (str(place), os.environ.get("JUPYTER_PATH"))))
    with (
        serving("--kernel-name", "case", JUPYTER_PATH=path) as server,
        gateway(server.base_url, cut(), one_after_another()) as made,
    ):
        yield made


@pytest.mark.parametrize("name", REASONS)
async def test_cells_run_directly_and_the_first_does_not_take_long(
    tmp_path: Path, name: str
) -> None:
    with serving_case(tmp_path, name) as service:
        async with live_session(service.base_url, TOKEN, execution=Execution.AUTO) as session:
            begun = time.monotonic()
            cell = await messages_of(session, "x = 41; print('first')")
            assert time.monotonic() - begun < FIRST_CELL
            assert printed(cell) == "first\n"
            assert session.id is not None
            service.forget()
            for number in (2, 3, 4):
                code = f"x += 1; print({number}, x)"
                cell = await messages_of(session, code, number=number)
                assert printed(cell) == f"{number} {39 + 1 + number}\n"
                assert service.passed_code() == [code]
                service.forget()
            assert len(await session._client.sessions()) == 1
        if name != "never answers":  # it takes its time once more
            async with live_session(service.base_url, TOKEN) as session:
                with pytest.raises(ExecutionRefused, match=REASONS[name]) as caught:
                    await messages_of(session, "x")
                assert not caught.value.may_have_run


async def test_a_python_without_packages_runs_cells_directly(tmp_path: Path) -> None:
    with plain_service(tmp_path) as service:
        async with live_session(service.base_url, TOKEN, execution=Execution.AUTO) as session:
            assert printed(await messages_of(session, "x = 1; print('first')")) == "first\n"
            before = len(service.requests)
            assert printed(await messages_of(session, "print(x)", number=2)) == "1\n"
            assert len(service.requests) == before + 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_service_that_does_not_take_the_relay_runs_cells_directly(
    tmp_path: Path, status: int
) -> None:
    with (
        plain_service(tmp_path) as plain,
        gateway(plain.base_url, first(answers(Reply(status, b"{}")))) as service,
    ):
        async with live_session(service.base_url, TOKEN, execution=Execution.AUTO) as session:
            assert printed(await messages_of(session, "print('first')")) == "first\n"


async def test_a_session_without_an_interpreter_can_be_attached_to(tmp_path: Path) -> None:
    with serving_case(tmp_path, "ends at once") as service:
        async with live_session(service.base_url, TOKEN, execution=Execution.AUTO) as session:
            await messages_of(session, "x = 1")
            session_id = session.id
        assert session_id is not None
        async with live_session(service.base_url, TOKEN, execution=Execution.AUTO) as session:
            session.attach(session_id)
            assert [one async for one in session.join(Cell(""))] == []
            assert printed(await messages_of(session, "print(x)", number=2)) == "1\n"


async def test_cells_of_a_session_without_an_interpreter_can_be_interrupted(tmp_path: Path) -> None:
    with (
        serving_case(tmp_path, "ends at once") as service,
        # The server stops code whose caller hangs up; the gateway does not tell it.
        counted(service.target, without=EXTENSIONS) as telling,
    ):
        async with live_session(telling.base_url, TOKEN, execution=Execution.AUTO) as session:
            await messages_of(session, "x = 1")
            begun = tmp_path / "begun"
            code = f"open({str(begun)!r}, 'w').close()\nwhile True: pass"
            running = asyncio.create_task(messages_of(session, code, number=2))
            await soon(begun.exists, "the cell that never ends")
            assert session.interrupt()
            with pytest.raises(Interrupted):
                await running
            assert printed(await messages_of(session, "print(x)", number=2)) == "1\n"


def test_a_kernel_runs_cells_directly(tmp_path: Path) -> None:
    with serving_case(tmp_path, "processes are forbidden") as service:
        where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": TOKEN}
        with kernel("tci", **where) as driver:
            assert driver.run("print('first')").text() == "first\n"
            service.forget()
            for number in range(3):
                assert driver.run(f"print({number})").text() == f"{number}\n"
            assert service.passed_code() == [f"print({number})" for number in range(3)]
