"""`%tci` lines in an ordinary notebook, and what stands behind `%%tci`."""

from __future__ import annotations

import re

import pytest

from tci_kernel.commands.run import tci
from tests.extension.conftest import done
from tests.support.kernels import KernelDriver, shown


def test_all_commands_are_there_with_their_help(live: KernelDriver) -> None:
    listed = shown(live.run("%tci help"))
    assert all(f"%tci {name}" in listed for name in tci.commands)
    assert live.run("%tci upload --help").text().startswith("Usage: %tci upload [OPTIONS] PATH...")


def test_the_session_is_told_of(each: KernelDriver) -> None:
    each.run("%%tci\n1")
    told = shown(each.run("%tci"))

    assert re.search(r"^Session +ses_\w+$", told, re.MULTILINE)
    assert re.search("^Begun here +1 session$", told, re.MULTILINE)


def test_files_travel(each: KernelDriver) -> None:
    done(each, "open('here.txt', 'w').write('text')and None")
    assert shown(each.run("%tci upload here.txt")).startswith("Uploaded here.txt")
    done(each, "%%tci\nimport shutil; shutil.copy('here.txt', 'there.txt') and None")
    assert "there.txt" in shown(each.run("%tci ls"))
    each.run("%tci download there.txt")
    assert each.run("print(open('there.txt').read())").text() == "text\n"


def test_lines_stand_among_other_code_and_take_its_variables(live: KernelDriver) -> None:
    done(live, "name = 'of a variable.txt'; open(name, 'w').close()")
    cell = live.run("for _ in range(2):\n    a = %tci upload '{name}'\nprint(a)")

    assert [kind for kind, _ in cell.outputs] == ["display_data", "display_data", "stream"]
    assert "of a variable.txt" in shown(live.run("%tci ls"))


def test_what_ran_is_listed_and_shown_again(live: KernelDriver) -> None:
    live.run("%%tci\nprint('seen')")

    assert live.run("%tci last").text() == "seen\n"
    assert "print('seen')" in shown(live.run("%tci history"))


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%tci uplaod x", "No such command 'uplaod'"),
        ("%tci ls 'x", "%tci ls 'x: No closing quotation."),
        ("%%tci --remote\nran = 1", "No such option"),
        ("%%tci now\nran = 1", "unexpected extra argument (now)"),
        ("%%tci --local --session ses_x\nran = 1", "give --session or --local"),
        ("%%tci --local\nran = 1", "'%reload_ext tci_kernel' lets go of that first"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_and_nothing_runs(
    live: KernelDriver, cell: str, said: str
) -> None:
    done(live, "%%tci\nran = 0")

    wrong = live.run(cell)

    assert wrong.reply["ename"] == "UsageError"
    assert said in wrong.only("error")["evalue"]
    assert live.run("%%tci\nprint(ran)").text() == "0\n"


def test_lines_are_completed(live: KernelDriver) -> None:
    done(live, "variable_here = 1")
    done(live, "%%tci\nvariable_there = 1")

    assert live.complete("%tci stat")["matches"] == ["status"]
    assert "--exclude" in live.complete("%tci upload --ex")["matches"]
    assert live.complete("1\n%tci push variable_")["matches"] == ["variable_here"]
    assert live.complete("%tci pull variable_")["matches"] == ["variable_there"]
