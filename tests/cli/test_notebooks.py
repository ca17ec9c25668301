"""`tci-kernel run` of a notebook: where it runs, and what becomes of its outputs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import Commands
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE, until


def write(path: Path, *cells: str) -> bytes:
    """Write a notebook, and give its bytes."""
    rest: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
    }
    made = [{**rest, "id": str(place), "source": cell} for place, cell in enumerate(cells)]
    notebook = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))
    return path.read_bytes()


def outputs(path: Path) -> list[list[tuple[str, str]]]:
    """The outputs that each cell of a notebook has: kinds, and texts of streams."""
    return [
        [(one["output_type"], "".join(one.get("text", ""))) for one in cell["outputs"]]
        for cell in json.loads(path.read_text())["cells"]
    ]


def test_it_is_executed_beside_the_notebook_and_overwrites_nothing(commands: Commands) -> None:
    directory = commands.home / "below"
    directory.mkdir()
    before = write(directory / "a.ipynb", "import os\nprint(os.getcwd())", "6 * 7")
    made = directory / "a-executed.ipynb"

    done = commands.run("run", "--local", "below/a.ipynb")

    assert (done.returncode, done.stdout, done.stderr) == (0, "Wrote below/a-executed.ipynb\n", "")
    assert outputs(made) == [[("stream", f"{directory}\n")], [("execute_result", "")]]
    assert (directory / "a.ipynb").read_bytes() == before

    again = commands.run("run", "--local", "below/a.ipynb")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == (
        "tci-kernel: below/a-executed.ipynb exists.\nRemove it, or name a file with --output.\n"
    )


def test_an_error_ends_it_and_what_ran_is_written(commands: Commands) -> None:
    write(commands.home / "a.ipynb", "print(1)", "1 / 0", "print(2)")

    done = commands.run("run", "--local", "--output", "a.ipynb", "a.ipynb")

    assert (done.returncode, done.stdout) == (1, "Wrote a.ipynb\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "\x1b" not in done.stderr
    assert outputs(commands.home / "a.ipynb") == [[("stream", "1\n")], [("error", "")], []]


def test_an_interrupt_ends_it_and_what_ran_is_written(commands: Commands) -> None:
    begun = commands.home / "begun"
    cell = f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(600)"
    write(commands.home / "a.ipynb", "print(1)", cell)

    process = commands.start("run", "--local", "a.ipynb")
    until(begun.exists, "the cell to run")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)

    assert (process.returncode, out, err) == (130, "Wrote a-executed.ipynb\n", "Interrupted.\n")
    assert outputs(commands.home / "a-executed.ipynb") == [[("stream", "1\n")], []]


def test_it_runs_in_a_session_that_is_named(commands: Commands, server: ServerProcess) -> None:
    commands.use(server.base_url, server.token)
    before = {row["id"] for row in json.loads(commands.run("sessions", "--json").stdout)}
    assert commands.run("run", "-c", "x = 42").returncode == 0
    after = {row["id"] for row in json.loads(commands.run("sessions", "--json").stdout)}
    (session_id,) = after - before
    write(commands.home / "a.ipynb", "print(x)")

    done = commands.run("run", "--session", session_id, "a.ipynb")

    assert (done.returncode, done.stderr) == (0, "")
    assert outputs(commands.home / "a-executed.ipynb") == [[("stream", "42\n")]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--local", "absent.ipynb"], "absent.ipynb can't be read: No such file or directory."),
        (["--local", "text.ipynb"], "text.ipynb can't be read as a notebook: "),
        (["--local", "none.ipynb"], "none.ipynb can't be read as a notebook: "),
        (["--local", "a.ipynb", "14"], "A notebook takes no arguments"),
        (["--local", "--output", "absent/b.ipynb", "a.ipynb"], "There is no directory absent"),
        (["--local", "--output", "b.ipynb", "-c", "pass"], "--output is for notebooks"),
        (["a.ipynb"], "Run 'tci-kernel login'"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is(
    arguments: list[str], said: str, commands: Commands
) -> None:
    write(commands.home / "a.ipynb", "1")
    (commands.home / "text.ipynb").write_text("no JSON")
    (commands.home / "none.ipynb").write_text('{"cells": 1}')
    before = sorted(commands.home.iterdir())

    done = commands.run("run", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert sorted(commands.home.iterdir()) == before


def test_without_nbclient_it_says_how_to_get_it(commands: Commands) -> None:
    write(commands.home / "a.ipynb", "1")
    code = "import sys; sys.modules['nbclient'] = None; from tci_kernel.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--local", "a.ipynb"],
        env=commands.environment,
        cwd=commands.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "tci-kernel: A notebook takes nbclient to run.",
        "Run 'pip install nbclient'.",
    ]
