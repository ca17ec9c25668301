"""Code that scripts run: what comes of it, and how it is stopped. On all ways of running it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tci_kernel import Client
from tci_kernel.api import events
from tci_kernel.api.sync_session import Session
from tci_kernel.core.errors import CellTimeout, CodeFailed, UsageError
from tests.api.conftest import LIVE, WAYS, at
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE, until

SHOWS = """\
import sys
from IPython.display import display
print("out")
print("err", file=sys.stderr)
display({"text/plain": "shown", "text/html": "<b>shown</b>"}, raw=True)
6 * 7
"""

# Waits for a file, and notes how it ended.
WAITS = """\
import pathlib, time
ended = "no"
try:
    print("begun", flush=True)
    pathlib.Path({begun!r}).touch()
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.01)
    ended = "by itself"
except KeyboardInterrupt:
    ended = "interrupted"
    raise
"""


@pytest.fixture(params=WAYS)
def session(request: pytest.FixtureRequest, sessions: dict[str, Session]) -> Session:
    return sessions[request.param]


@pytest.fixture(params=LIVE)
def live(request: pytest.FixtureRequest, sessions: dict[str, Session]) -> Session:
    """A session whose events come as they happen."""
    return sessions[request.param]


@pytest.fixture
def waits(tmp_path: Path) -> str:
    """Code that runs until the file `go` is there."""
    return WAITS.format(begun=str(tmp_path / "begun"), go=str(tmp_path / "go"))


def next_of(stream: Iterator[events.Event], kind: type[events.Event]) -> events.Event:
    return next(event for event in stream if isinstance(event, kind))


def test_each_thing_that_code_shows_is_an_event(session: Session) -> None:
    found = list(session.execute(SHOWS))

    printed = [(one.name, one.text) for one in found if isinstance(one, events.Stream)]
    assert sorted(printed) == [("stderr", "err\n"), ("stdout", "out\n")]
    (display,) = [one for one in found if isinstance(one, events.Display)]
    assert display.data == {"text/plain": "shown", "text/html": "<b>shown</b>"}
    (value,) = [one for one in found if isinstance(one, events.Value)]
    assert value.text == "42"
    assert isinstance(found[-1], events.Reply)
    assert found[-1].error is None


def test_run_collects_all_of_it(session: Session) -> None:
    result = session.run(SHOWS)

    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    assert [display.text for display in result.displays] == ["shown"]
    assert result.value is not None
    assert result.value.text == "42"
    assert result.raise_for_error() is result
    assert session.run("None").number == result.number + 1


def test_an_exception_of_the_code_is_data_until_it_is_asked_for(session: Session) -> None:
    result = session.run("print('before')\n1 / 0")

    assert result.stdout == "before\n"
    assert result.error is not None
    assert (result.error.name, result.error.value) == ("ZeroDivisionError", "division by zero")
    assert "\x1b" not in result.error.text
    with pytest.raises(CodeFailed, match=r"(?s)raised ZeroDivisionError:.*1 / 0") as caught:
        result.raise_for_error()
    assert caught.value.name == "ZeroDivisionError"
    assert session.run("6 * 7").raise_for_error().value is not None


def test_code_is_interrupted_from_another_thread(
    session: Session, waits: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.run, waits)
        until((tmp_path / "begun").exists, "the code has begun")
        session.interrupt()
        result = running.result(60)

    assert result.error is not None
    assert result.error.name == "KeyboardInterrupt"
    assert session.run("print(ended)").stdout.endswith("interrupted\n")


def test_code_that_takes_too_long_is_an_error(session: Session, waits: str) -> None:
    with pytest.raises(CellTimeout):
        session.run(waits, timeout=0.5)
    assert session.run("print(6 * 7)").stdout.endswith("42\n")  # for which the limit does not hold


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_refused(timeout: float, sessions: dict[str, Session]) -> None:
    with pytest.raises(UsageError, match=r"no number of seconds above 0"):
        sessions["local"].run("pass", timeout=timeout)
    assert sessions["local"].run("print(1)").stdout == "1\n"


def test_events_come_while_the_code_runs(live: Session, waits: str, tmp_path: Path) -> None:
    stream = live.execute(waits)

    assert next_of(stream, events.Stream) == events.Stream("stdout", "begun\n")
    (tmp_path / "go").touch()  # it ends only because its output has arrived before
    assert isinstance([*stream][-1], events.Reply)
    assert live.run("print(ended)").stdout == "by itself\n"


def test_who_leaves_the_loop_stops_the_code(live: Session, waits: str) -> None:
    for event in live.execute(waits):
        if isinstance(event, events.Stream):
            break

    assert live.run("print(ended)").stdout.endswith("interrupted\n")


def test_what_raises_in_the_loop_stops_the_code(live: Session, waits: str) -> None:
    def fail_at_output() -> None:
        for event in live.execute(waits):
            if isinstance(event, events.Stream):
                raise LookupError("ours")

    with pytest.raises(LookupError, match=r"^ours$"):
        fail_at_output()

    assert live.run("print(ended)").stdout.endswith("interrupted\n")


# It collects what earlier tests have left, too. Where a request is given up at the moment at which
# it is connected, anyio 4.16 leaves that connection to the garbage.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_iteration_is_garbage_in_any_thread(sessions: dict[str, Session], waits: str) -> None:
    session = sessions["exchange"]
    cycle: list[Any] = [session.execute(waits)]
    next_of(cycle[0], events.Stream)
    cycle.append(cycle)
    del cycle

    async def collect() -> None:
        gc.collect()

    session._loop.call(collect())

    def printed() -> str:
        with suppress(UsageError):  # it is busy until the code has stopped
            return session.run("print(ended)").stdout
        return ""

    assert until(printed, "the code has stopped").endswith("interrupted\n")


def test_much_output_is_left_behind_where_nobody_wants_it(live: Session) -> None:
    for _ in live.execute("n = 0\nwhile True:\n    n += 1\n    print(n, flush=True)"):
        break

    assert live.run("print(n > 0)").stdout.endswith("True\n")


def test_a_busy_session_says_so_and_goes_on(live: Session, waits: str, tmp_path: Path) -> None:
    with closing(live.execute(waits)) as stream:
        next_of(stream, events.Stream)
        for ask in (lambda: live.run("pass"), live.files):
            with pytest.raises(UsageError, match=r"busy: it does one thing at a time"):
                ask()
        (tmp_path / "go").touch()
        assert isinstance([*stream][-1], events.Reply)
    assert live.run("print(ended)").stdout == "by itself\n"


def test_questions_of_the_code_are_answered(live: Session) -> None:
    asked: list[tuple[events.Question, str]] = []

    def answer(question: events.Question) -> str:
        asked.append((question, threading.current_thread().name))
        return "s3cret" if question.hidden else "Ada"

    code = "import getpass\nprint(input('Name: '), getpass.getpass('Password: '))"
    result = live.run(code, answer=answer).raise_for_error()

    assert result.stdout.endswith("Ada s3cret\n")
    here = threading.current_thread().name
    assert asked == [
        (events.Question("Name: ", hidden=False), here),
        (events.Question("Password: ", hidden=True), here),
    ]


def test_input_ends_or_is_not_there(live: Session) -> None:
    def no_more(_question: events.Question) -> str:
        raise EOFError

    ended, absent = live.run("input()", answer=no_more), live.run("input()")

    assert ended.error is not None
    assert ended.error.name == "EOFError"
    assert absent.error is not None
    assert absent.error.name == "StdinNotImplementedError"


def test_an_answer_that_fails_stops_the_code(live: Session) -> None:
    def fails(_question: events.Question) -> str:
        raise LookupError("ours")

    with pytest.raises(LookupError, match=r"^ours$"):
        live.run("ended = 'no'\ntry:\n    input()\nfinally:\n    ended = 'yes'", answer=fails)

    assert live.run("print(ended)").stdout.endswith("yes\n")


def test_late_output_comes_with_what_runs_next(live: Session, tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    live.run(
        "import pathlib, threading, time\n"
        "def late():\n"
        f"    while not pathlib.Path({str(go)!r}).exists():\n        time.sleep(0.01)\n"
        "    print('late', flush=True)\n"
        f"    pathlib.Path({str(done)!r}).touch()\n"
        "thread = threading.Thread(target=late)\nthread.start()"
    ).raise_for_error()
    go.touch()
    until(done.exists, "the thread has printed")

    assert live.run("thread.join()\nprint('now')").stdout.splitlines() == ["late", "now"]


def test_widgets_come_as_messages(live: Session) -> None:
    code = "from comm import create_comm\ncreate_comm(target_name='x', data={'a': 1}).close()"

    found = [one for one in live.execute(code) if isinstance(one, events.Message)]

    assert [message.type for message in found] == ["comm_open", "comm_close"]


def test_a_session_that_closes_stops_its_code(client: Client, waits: str) -> None:
    with client.session(keep=True) as session:
        stream = session.execute(waits)
        next_of(stream, events.Stream)

    for ask in (lambda: next(stream), lambda: session.run("pass")):
        with pytest.raises(UsageError, match=r"closed here"):
            ask()
    with client.session(session.id) as joined:
        assert joined.run("print(ended)").stdout.endswith("interrupted\n")


def test_a_client_that_closes_stops_code_of_other_threads(server: ServerProcess) -> None:
    begun = threading.Event()

    def run(busy: Session) -> None:
        for _ in busy.execute("print('begun')\nimport time\ntime.sleep(600)"):
            begun.set()

    with ThreadPoolExecutor(1) as pool:
        with at(server) as client:
            running = pool.submit(run, client.session())
            assert begun.wait(PATIENCE)
        with pytest.raises(UsageError, match=r"closed"):
            running.result(PATIENCE)
