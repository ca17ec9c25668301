"""`tci-kernel run`: a script at the service, and what of it goes where."""

from __future__ import annotations

import json
import re
import signal
import threading
import time

import psutil
import pytest

from tests.cli.commands import Commands
from tests.support.faulty import Action, answer, faulty_server, hang_up, http, listing
from tests.support.servers import ServerProcess
from tests.support.waiting import until

SHOWS = """\
import sys
from IPython.display import HTML, display
print("out \\x1b[31mred\\x1b[0m")
print("err", file=sys.stderr)
display({"text/plain": "shown", "text/html": "<b>shown</b>"}, raw=True)
display({"image/png": "iVBORw0KGgo="}, raw=True)
"""


@pytest.fixture
def served(commands: Commands, server: ServerProcess) -> Commands:
    """The command with a real service, the shared local server."""
    commands.use(server.base_url, server.token)
    return commands


def test_a_script_prints_and_shows(served: Commands) -> None:
    (served.home / "script.py").write_text(SHOWS)

    done = served.run("run", "script.py")

    assert done.returncode == 0
    assert done.stdout == "out \x1b[31mred\x1b[0m\nshown\n<image/png>\n"
    assert done.stderr == "err\n"


def test_a_session_is_new_unless_one_is_named(served: Commands) -> None:
    assert served.run("run", "-", given="x = 1").returncode == 0
    assert "NameError" in served.run("run", "-c", "print(x)").stderr
    before = {row["id"] for row in sessions(served)}
    assert served.run("run", "-", given="x = 2").returncode == 0
    (session_id,) = {row["id"] for row in sessions(served)} - before

    done = served.run("run", "--session", session_id, "-c", "print(x)")

    assert (done.returncode, done.stdout) == (0, "2\n")


def sessions(commands: Commands) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = json.loads(commands.run("sessions", "--json").stdout)
    return listed


def test_locally_it_takes_neither_key_nor_network(commands: Commands) -> None:
    commands.use("http://127.0.0.1:1/v1")

    done = commands.run("run", "--local", "-", given="print(6 * 7)")

    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")


def test_a_file_is_read_in_the_encoding_that_it_names(commands: Commands) -> None:
    text = "# -*- coding: latin-1 -*-\nprint('caf\u00e9')\n"
    (commands.home / "script.py").write_bytes(text.encode("latin-1"))

    assert commands.run("run", "--local", "script.py").stdout == "caf\u00e9\n"


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["absent.py"], b"", "'absent.py': No such file or directory"),
        (["."], b"", "Is a directory"),
        (["-"], b"\xff\xfe", "is no text in the encoding that it names"),
        (["-"], b"# coding: klingon\n", "is no text in the encoding that it names"),
        ([], b"", "Missing argument 'FILE'"),
        (["--local", "--session", "ses_1", "-"], b"", "give --session or --local"),
    ],
)
def test_what_cannot_be_run_is_said(
    arguments: list[str], given: bytes, said: str, commands: Commands
) -> None:
    done = commands.run("run", *arguments, given=given)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_without_a_key_it_says_what_to_do(commands: Commands) -> None:
    done = commands.run("run", "-", given="pass")

    assert done.returncode == 2
    assert done.stderr == (
        "tci-kernel: There is no API key for the code interpreter, so nothing was sent.\n"
        "Run 'tci-kernel login', or set the environment variable TOGETHER_API_KEY.\n"
        "'tci-kernel run --local' needs no key.\n"
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "Check the key"), (402, "Add credit"), (500, "may have run")],
)
def test_a_service_that_refuses_has_a_status_of_its_own(
    status: int, said: str, commands: Commands
) -> None:
    with faulty_server([http(status, "{}")]) as service:
        commands.use(service.base_url, "sk-very-secret")
        done = commands.run("run", "-", given="pass")

    assert (done.returncode, done.stdout) == (3, "")
    assert said in done.stderr
    assert "sk-very-secret" not in done.stderr


def test_a_session_that_is_gone_is_said(commands: Commands) -> None:
    with faulty_server([http(404, "{}")]) as service:
        service.listed = listing()
        commands.use(service.base_url, "key")
        done = commands.run("run", "--session", "ses_gone", "-", given="pass")

    assert done.returncode == 3
    assert max(map(len, done.stderr.splitlines())) < 90
    assert " ".join(done.stderr.split()) == (
        "tci-kernel: Session ses_gone has expired, or is not one of this key's. "
        "The service: HTTP 404 (not found): the service gave no reason "
        "Its variables and files are gone, and the code did not run. "
        "Without --session the code runs in a new session. 'tci-kernel sessions' lists those that "
        "there are."
    )


def test_a_script_is_not_run_in_another_session_than_the_one_that_is_named(
    commands: Commands,
) -> None:
    commands.configure("c.RemoteSession.on_expiry = 'replay'\nc.RemoteSession.use_helper = False")
    with faulty_server([http(404, "{}"), answer(("stdout", "elsewhere"))]) as service:
        service.listed = listing()
        commands.use(service.base_url, "key")
        done = commands.run("run", "--session", "ses_gone", "-", given="pass")
        assert len(service.executions) == 1

    assert (done.returncode, done.stdout) == (3, "")


@pytest.mark.parametrize(
    "fault",
    [
        *(http(status, "{}") for status in (400, 404, 413, 429, 500)),
        http(200, "?"),
        http(200, json.dumps({"data": None})),
        answer(session_id=""),
        answer(session_id="ses_other"),
        hang_up(),
    ],
)
def test_what_fails_is_said_in_words_for_a_script(fault: Action, commands: Commands) -> None:
    commands.configure(
        "c.RemoteSession.use_helper = False\n"
        "c.RemoteSession.retry_for = 0\nc.RemoteSession.cell_timeout = 30"
    )
    with faulty_server([fault]) as service:
        service.listed = listing("ses_there")
        commands.use(service.base_url, "key")
        named = commands.run("run", "--session", "ses_there", "-", given="pass")
        new = commands.run("run", "-", given="pass")

    assert named.returncode or new.returncode
    for done in (named, new):
        assert not re.search(r"\b(cells?|notebook|kernel (?!run))\b|%tci", done.stderr)


def test_an_interrupt_ends_the_wait_and_says_what_is_left(commands: Commands) -> None:
    commands.configure("c.RemoteSession.use_helper = False")
    (commands.home / "script.py").write_text("print('long')")
    arrived, free = threading.Event(), threading.Event()

    def act(connection: object) -> None:
        arrived.set()
        free.wait(60)

    with faulty_server([act]) as service:
        commands.use(service.base_url, "key")
        process = commands.start("run", "script.py")
        assert arrived.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        free.set()

    assert (process.returncode, out) == (130, "")
    assert err == ("Interrupted. The service has no way to stop code: it may still run there.\n")


def test_an_interrupt_stops_code_that_runs_here(commands: Commands) -> None:
    pid = commands.home / "pid"
    (commands.home / "script.py").write_text(
        f"import os, pathlib, time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    process = commands.start("run", "--local", "script.py")
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err.endswith("\n    time.sleep(600)\nKeyboardInterrupt\n")  # as Python ends
    until(lambda: not psutil.pid_exists(int(pid.read_text())), "the end of the interpreter")


@pytest.mark.parametrize("where", [["--local"], []], ids=["local", "service"])
def test_what_is_printed_is_read_before_the_end(served: Commands, where: list[str]) -> None:
    gate = served.home / "gate"
    (served.home / "script.py").write_text(
        "import os, time\nprint('early', flush=True)\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.05)\nprint('late')\n"
    )
    process = served.start("run", *where, "script.py")
    assert process.stdout is not None
    assert process.stdout.readline() == "early\n"  # the script can't have ended
    gate.touch()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "late\n", "")


def test_a_reader_that_has_had_enough_is_no_trouble(commands: Commands) -> None:
    (commands.home / "script.py").write_text("print('x' * 1_000_000)")
    process = commands.start("run", "--local", "script.py")
    assert process.stdout is not None
    assert process.stderr is not None

    process.stdout.close()

    assert process.stderr.read() == ""
    assert process.wait(60) == 1
    process.stderr.close()
