"""`tci-kernel run` beside Python: the same output, errors and status of the same script."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pexpect
import pytest

from tci_kernel.cli import main
from tests.cli.commands import COMMAND, Commands
from tests.cli.scripts import ARGUMENTS, DIRECTLY, GIVEN, SCRIPTS
from tests.support.kernels import kernel
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

# Status, stdout and stderr.
Outcome = tuple[int, str, str]


class Session:
    """A session that scripts are run in, one after the other.

    Args:
        commands: run where it is.
    """

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        before = self._ids()
        self.directory = commands.run("run", "-c", "import os; print(os.getcwd())").stdout.strip()
        (self.id,) = self._ids() - before

    def _ids(self) -> set[str]:
        return {row["id"] for row in json.loads(self.commands.run("sessions", "--json").stdout)}

    def run(self, *arguments: str, given: str = "") -> Outcome:
        """Run a script; its directory is named as that of the caller's is."""
        done = self.commands.run("run", "--session", self.id, *arguments, given=given)
        return done.returncode, self.named(done.stdout), self.named(done.stderr)

    def named(self, text: str) -> str:
        """A text of the session, with the caller's directory in the place of the session's."""
        return text.replace(self.directory, str(self.commands.home))


def python(commands: Commands, *arguments: str, given: str = "") -> Outcome:
    """Run a script with this Python."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=commands.environment,
        cwd=commands.home,
        input=given.encode(),
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    # Shells say 130 of what a SIGINT has ended.
    status = 130 if done.returncode == -signal.SIGINT else done.returncode
    return status, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def session_of(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Session]:
    """Gives the session of a way of running cells."""
    made: dict[str, Session] = {}

    def get(way: str) -> Session:
        if way not in made:
            commands = Commands(tmp_path_factory.mktemp(way))
            commands.use(server.base_url, server.token)
            commands.configure(f"c.TCIKernel.execution = '{way}'\n")
            made[way] = Session(commands)
        return made[way]

    return get


@pytest.fixture
def live(session_of: Callable[[str], Session]) -> Session:
    return session_of("live")


@pytest.mark.parametrize(
    ("way", "name"),
    [*(("live", name) for name in SCRIPTS), *(("direct", name) for name in DIRECTLY)],
)
def test_a_script_does_what_it_does_with_python(
    way: str,
    name: str,
    session_of: Callable[[str], Session],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = session_of(way)
    home = session.commands.home
    (home / "script.py").write_text(SCRIPTS[name])
    (home / "given").write_text(GIVEN)
    for variable, value in session.commands.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(home)

    # In this process, since there are many: to import the command takes longer than a script does.
    with (home / "given").open() as given:
        monkeypatch.setattr(sys, "stdin", given)
        with pytest.raises(SystemExit) as ended:
            main(["run", "--session", session.id, "script.py", *ARGUMENTS])

    said = capsys.readouterr()
    done = ended.value.code, session.named(said.out), session.named(said.err)
    assert done == python(session.commands, "script.py", *ARGUMENTS, given=GIVEN)


def test_other_programs_of_a_script_print_as_well(commands: Commands) -> None:
    commands.environment.pop("PYTEST_CURRENT_TEST", None)  # where it is set, ipykernel reads none
    code = """import os, subprocess
os.system("echo one")
subprocess.run(["sh", "-c", "echo two; echo three >&2"])"""

    done = commands.run("run", "--local", "-c", code)

    assert (done.returncode, done.stdout, done.stderr) == (0, "one\ntwo\n", "three\n")


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (["-c", "import sys; print(sys.argv, sys.path[0], '__file__' in globals())"], ""),
        (["-c", "import sys; print(sys.argv)", "-c", "--session", "x"], ""),
        (["-c", "def f(): 1 / 0\nf()"], ""),
        (["-c", "x = ("], ""),
        (["-c", "print(input())"], "typed\n"),
        (["-"], "import sys; print(sys.argv, sys.path[0])\ndef f(): 1 / 0\nf()\n"),
        (["-", "--days", "14"], "import sys; print(sys.argv, sys.stdin.read())"),
    ],
)
def test_code_from_elsewhere_does_so_too(arguments: list[str], given: str, live: Session) -> None:
    done = live.run(*arguments, given=given)

    assert done == python(live.commands, *arguments, given=given)


@pytest.mark.parametrize("way", ["live", "direct"])
def test_on_this_computer_it_is_in_its_own_directory(way: str, commands: Commands) -> None:
    commands.configure(f"c.TCIKernel.execution = '{way}'\n")
    (commands.home / "below").mkdir()
    (commands.home / "below" / "beside.py").write_text("def fail():\n    raise ValueError('x')\n")
    (commands.home / "below" / "script.py").write_text(
        "import os, sys\nprint(sys.argv, __file__, sys.path[0], os.getcwd())\n"
        "import beside\nbeside.fail()\n"
    )

    done = commands.run("run", "--local", "below/script.py", "--flag")

    expected = python(commands, "below/script.py", "--flag")
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_what_a_script_leaves_is_there_for_the_next(live: Session) -> None:
    (live.commands.home / "script.py").write_text("import sys\nx = 1\ndef f():\n    return x\n")
    assert live.run("script.py") == (0, "", "")

    code = "print(f(), '__file__' in globals(), sys.argv); x = 2; print(f())"
    assert live.run("-c", code) == (0, "1 False ['-c']\n2\n", "")


# What a cell finds, which a script has found otherwise.
LOOK = """\
import asyncio, atexit, builtins, sys, threading
await asyncio.sleep(0)
print([str(one) for one in (sys.argv, sys.path, sys.excepthook, sys.displayhook, sys.stdin)])
print(input, exit, In is not None, Out, get_ipython, __doc__, hasattr(sys.stdout, "buffer"))
print(atexit.register, threading.excepthook, vars(builtins).keys() & {"_", "exit", "quit"})
"""


def test_a_notebook_finds_its_session_as_it_was(live: Session) -> None:
    with kernel("tci", **{**live.commands.environment, "TCI_SESSION_ID": live.id}) as driver:
        before = driver.run(LOOK).text()
        count = driver.run("").count
        assert live.run("-c", "_ = 5\nimport sys\nsys.exit(1)") == (1, "", "")

        assert driver.run(LOOK).text() == before
        assert driver.run("_, 6 * 7").only("execute_result")["data"]["text/plain"] == "(5, 42)"
        assert driver.run("del _\n1").count == count + 2


def test_a_script_of_ipythons_may_have_magics(live: Session) -> None:
    (live.commands.home / "script.ipy").write_text(
        "import sys\nlines = !echo one\n%env TCI_TEST=two\nprint(lines, sys.argv)\n1 / 0\n"
    )

    status, out, err = live.run("script.ipy", "-x")

    assert (status, out) == (1, "env: TCI_TEST=two\n['one'] ['script.ipy', '-x']\n")
    path = live.commands.home / "script.ipy"
    assert err == (
        f'Traceback (most recent call last):\n  File "{path}", line 5, in <module>\n'
        "    1 / 0\n    ~~^~~\nZeroDivisionError: division by zero\n"
    )


def test_directly_standard_input_is_said_to_be_out_of_reach(
    session_of: Callable[[str], Session],
) -> None:
    status, out, err = session_of("direct").run("-c", "input('name? ')", given="Bob\n")

    assert (status, out) == (1, "name? ")
    assert err == (
        'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n'
        "io.UnsupportedOperation: standard input can't be read: "
        "code in this session can't ask for it\n"
    )


def test_a_traceback_ends_where_the_script_prints(live: Session) -> None:
    status, out, err = live.run("-c", "import sys\nsys.stdout.write(5)")

    assert (status, out) == (1, "")
    assert err.startswith(
        'Traceback (most recent call last):\n  File "<string>", line 2, in <module>\nTypeError: '
    )


def test_much_input_arrives_whole(commands: Commands) -> None:
    given = "\u00e9\n" * 500_000
    code = "import sys; print(sum(line == '\u00e9\\n' for line in sys.stdin))"

    done = commands.run("run", "--local", "-c", code, given=given)

    assert (done.returncode, done.stdout, done.stderr) == (0, "500000\n", "")


@contextmanager
def typing(commands: Commands, script: str) -> Iterator[pexpect.spawn[str]]:
    """A script that runs here, in a terminal."""
    (commands.home / "script.py").write_text(script)
    child = pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], "run", "--local", "script.py"],
        env=commands.environment,
        cwd=str(commands.home),
        encoding="utf-8",
        timeout=PATIENCE,
    )
    try:
        yield child
    finally:
        child.close(force=True)


def test_who_types_is_asked_and_may_interrupt(commands: Commands) -> None:
    script = """\
import getpass, sys
try:
    input("first? ")
except KeyboardInterrupt:
    print("stopped")
print("got", input("second? "), sys.stdin.isatty())
print("secret", len(getpass.getpass()))
print("rest", sys.stdin.readlines())
input("last? ")
"""
    with typing(commands, script) as child:
        child.expect_exact("first? ")
        child.sendintr()
        child.expect_exact("stopped")
        child.expect_exact("second? ")
        child.sendline("answer")
        child.expect_exact("got answer True")
        child.expect_exact("Password: ")
        child.sendline("12345")
        child.expect_exact("secret 5")
        child.sendline("a line")
        child.sendeof()
        child.expect_exact("rest ['a line\\n']")
        child.expect_exact("last? ")
        child.sendintr()
        child.expect(pexpect.EOF)
        said = (child.before or "").replace("\r", "")

    assert said.removeprefix("^C") == (
        "Traceback (most recent call last):\n"
        f'  File "{commands.home / "script.py"}", line 9, in <module>\n'
        '    input("last? ")\nKeyboardInterrupt\n'
    )
    assert child.exitstatus == 130
