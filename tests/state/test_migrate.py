"""A notebook that outlives its session: `%tci migrate`, and moving on by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.state.loading import told
from tests.state.notebook import CELLS, SUMMARY
from tests.support.counting import EXTENSIONS, counted
from tests.support.kernels import DIRECT, KernelDriver, kernel
from tests.support.servers import ServerProcess, serving
from tests.support.waiting import until

MIGRATE = "--RemoteSession.on_expiry=migrate"


def session_of(driver: KernelDriver) -> str:
    """The session, as `%tci` shows it."""
    shown = told(driver.run("%tci status"))
    return next(line.split()[1] for line in shown.splitlines() if line.startswith("Session "))


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving() as server:
        yield server


@pytest.fixture(params=["exchange", "relay", "direct"])
def driver(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[KernelDriver]:
    """A kernel, by each way of running cells at a service."""
    options = [DIRECT] if request.param == "direct" else []
    with ExitStack() as stack:
        url = server.base_url
        if request.param == "relay":
            url = stack.enter_context(counted(url, without=EXTENSIONS)).base_url
        yield stack.enter_context(
            kernel("tci", *options, TOGETHER_BASE_URL=url, TOGETHER_API_KEY=server.token)
        )


def test_all_is_there_in_the_new_session_and_cells_run_on(driver: KernelDriver) -> None:
    driver.run("import os; items = [1]; same = items; open('data', 'w').write('d')")
    driver.run("def total(): return sum(items)\nfile = open('data'); gen = (i for i in 'ab')")
    old = session_of(driver)
    count = driver.run("os.environ['MINE'] = '1'").count
    said = told(driver.run("%tci migrate"))
    assert "file" in said
    assert "an open file" in said
    assert (new := session_of(driver)) != old
    assert new in said
    ran = driver.run("items.append(2); print(same, total(), *open('data'), os.environ['MINE'])")
    assert ran.text() == "[1, 2] 3 d 1\n"
    assert ran.count is not None
    assert count is not None
    assert ran.count > count
    # The old one is untouched, and can be gone back to.
    driver.run(f"%tci attach {old}")
    assert driver.run("print(items, next(gen))").text() == "[1] a\n"


def test_cells_stay_replayable(driver: KernelDriver) -> None:
    driver.run("import random; x = 5")
    driver.run("%tci migrate")
    driver.run("y = x + 1")
    assert driver.run("%tci replay").reply["status"] == "ok"
    assert driver.run("print(x, y)").text() == "5 6\n"


def test_nothing_is_left_in_either_session(tmp_path: Path) -> None:
    with (
        serving(TMPDIR=str(tmp_path)) as server,
        kernel("tci", TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token) as driver,
    ):
        driver.run("x = 1")
        assert "1 variable" in told(driver.run("%tci migrate"))
        assert driver.run("print(x)").text() == "1\n"
        assert not [*tmp_path.rglob("tci-state-*")]


def test_a_notebook_crosses_sessions_by_itself_and_ends_as_on_ipykernel() -> None:
    lifetime = 20  # of which five seconds are for a move, in which pandas is imported again
    with kernel("python3") as theirs:
        for cell in CELLS:
            assert theirs.run(cell).reply["status"] == "ok", cell
        expected = theirs.run(SUMMARY).text()
    with (
        serving("--session-lifetime", str(lifetime)) as server,
        kernel(
            "tci", MIGRATE, TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token
        ) as driver,
    ):
        lines = []
        for cell in CELLS:
            ran = driver.run(cell)
            assert ran.reply["status"] == "ok", (cell, ran.reply)
            lines += ran.text("stderr").splitlines()
            time.sleep(5 * lifetime / len(CELLS))  # somebody thinks
        moves = [line for line in lines if "has moved to" in line]
        assert len(moves) >= 4
        assert all("with all that it had" in line for line in moves)
        assert driver.run(SUMMARY).text() == expected


def test_an_idle_notebook_moves_without_a_cell() -> None:
    with (
        serving("--session-lifetime", "12") as server,
        kernel(
            "tci", MIGRATE, TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token
        ) as driver,
    ):
        driver.run("x = 1")
        time.sleep(30)  # two sessions
        assert driver.run("print(x)").text() == "1\n"


def test_a_cell_that_runs_past_the_end_is_warned_and_nothing_is_bought_meanwhile() -> None:
    with (
        serving("--session-lifetime", "8") as server,
        kernel(
            "tci", MIGRATE, TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token
        ) as driver,
    ):
        driver.run("import time")
        ran = driver.run("time.sleep(30)")
        assert "This session expires in" in ran.text("stderr")
        assert ran.reply["ename"] == "SessionExpired"
        assert driver.run("print('on')").text() == "on\n"


def test_on_expiry_error_buys_nothing_by_itself(server: ServerProcess) -> None:
    with (
        serving("--session-lifetime", "6") as short,
        kernel("tci", TOGETHER_BASE_URL=short.base_url, TOGETHER_API_KEY=short.token) as driver,
    ):
        driver.run("x = 1")
        ran = driver.run("x")
        assert "%tci migrate" in ran.text("stderr")
        until(lambda: not sessions(driver), "the end of the session")
        assert driver.run("x").reply["ename"] == "SessionExpired"


def sessions(driver: KernelDriver) -> bool:
    return "ses_" in told(driver.run("%tci sessions"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "2 sessions"),
        (("--RemoteSession.session_price=0.03",), "2 sessions, 0.06 at 0.03 each"),
    ],
)
def test_the_status_says_what_has_been_begun_here(
    server: ServerProcess, options: tuple[str, ...], said: str
) -> None:
    with kernel(
        "tci", *options, TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token
    ) as driver:
        driver.run("x = 1")
        driver.run("%tci migrate")
        lines = told(driver.run("%tci status")).splitlines()
        [line] = [line for line in lines if line.startswith("Begun here")]
        assert line.removeprefix("Begun here").strip() == said


def test_a_session_is_saved_by_itself_and_what_is_saved_can_be_loaded(
    server: ServerProcess, tmp_path: Path
) -> None:
    path = tmp_path / "autosave.tci"
    environment = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    autosave = "--RemoteSession.autosave_minutes=0.05"
    with kernel("tci", autosave, cwd=str(tmp_path), **environment) as driver:
        driver.run("x = [1]")
        until(path.exists, "the session is saved")
        first = path.stat().st_mtime_ns
        time.sleep(5)  # nothing has run since
        assert path.stat().st_mtime_ns == first
        driver.run("x.append(2)")
        until(lambda: path.stat().st_mtime_ns != first, "it is saved again")
        driver.manager.signal_kernel(signal.SIGKILL)
    with kernel("tci", cwd=str(tmp_path), **environment) as driver:
        driver.run("%tci load autosave.tci")
        assert driver.run("print(x)").text() == "[1, 2]\n"


def test_without_the_setting_nothing_is_saved(server: ServerProcess, tmp_path: Path) -> None:
    with kernel(
        "tci",
        cwd=str(tmp_path),
        TOGETHER_BASE_URL=server.base_url,
        TOGETHER_API_KEY=server.token,
    ) as driver:
        driver.run("x = 1")
        time.sleep(3)
        assert [*tmp_path.iterdir()] == []
