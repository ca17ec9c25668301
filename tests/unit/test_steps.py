"""A cell divided at its `%tci` lines, by its text alone."""

from __future__ import annotations

import pytest

from tci_kernel.core.errors import UsageError
from tci_kernel.notebook.steps import Code, Command, steps


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x = 1",
        "%%bash\n%tci ls",
        "text = '''\n%tci ls\n'''",
        "(a\n%tci\n)",
        "%tcix",
        "%%local\nx = '%local'",
        # What no Python can read is the session's to refuse.
        "x = 1\n%tci ls\ndef f(",
        "if x:\n    pass\n%tci ls\nelse:\n    pass",
        "x = 1\n    %tci ls",
        "\0\n%tci ls",
    ],
)
def test_what_has_no_such_line_is_one_step(code: str) -> None:
    assert list(steps(code)) == [Code(code)]


def test_code_keeps_its_lines_around_commands() -> None:
    assert list(steps("%tci ls\nx\n%tci rm a \\\n  b\n\n%tci\ny\n%tci ls # x\n# z\n")) == [
        Command("ls"),
        Code("#\nx\npass  # %tci rm a \\"),
        Command("rm a    b"),
        Command(""),
        Code("#\n#\n#\n#\n#\n#\ny\npass  # %tci ls # x"),
        Command("ls # x"),
    ]


def test_parts_of_a_local_cell_are_local_cells() -> None:
    assert list(steps("%tci ls\n%%local\nx\n%tci push x\ny")) == [
        Command("ls"),
        Code("%tci ls\n%%local\nx\npass  # %tci push x"),
        Command("push x"),
        Code("%tci ls\n%%local\n#\n#\ny"),
    ]


def test_top_level_awaits_magics_and_shell_commands_stand_around_commands() -> None:
    code = "await x\n!ls $(pwd)\n%cd y\n%tci ls\nx?\n"
    assert list(steps(code))[1:] == [Command("ls"), Code("#\n#\n#\n#\nx?\n")]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("for x in y:\n    %tci ls", "'%tci ls' stands in a block of code"),
        ("def f():\n    %tci new\n    return 1", "'%tci new' stands in a block of code"),
        ("a = %tci ls x", "'%tci ls x' has no value"),
        ("%%tci\nx = 1", "'%%tci' is no cell magic here"),
        ("x = 1\n%%tci\ny", "'%%tci' is no cell magic here"),
        ("%local x = 1", "'%local x = 1' can't stand here"),
        ("a = %local x", "'%local x' has no value"),
        ("x = 1\n%%local\ny", "'%%local' can't stand here"),
        ("%local?", "'%local?' can't stand here"),
        ("%%local\nif x:\n  %tci push x", "'%tci push x' stands in a block of code"),
        ("%%time\nx\n%tci ls", "'%tci ls' can't stand in %%time"),
        ("%tci new\nfor x in y: pass\nelse:\n %tci ls", "'%tci ls' stands in a block"),
    ],
)
def test_a_line_that_can_not_be_run_is_refused_with_what_to_do(code: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        steps(code)
    assert refused.value.what.startswith(said)
    assert refused.value.advice
    assert "\n" not in refused.value.what
