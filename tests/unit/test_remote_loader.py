"""The programs of `remote/`, run as the session runs them: as text, in the user's namespace."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tci_kernel.remote import calls, loader

PROGRAMS = ("files", "names", "places", "upload", "variables")


def called(program: str, namespace: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """The answer to a call of a program, in a namespace that the user has."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(loader.program(program, arguments), {} if namespace is None else namespace)
    return answer_in(printed.getvalue())


def answer_in(printed: str) -> Any:
    """The answer in what a call has printed, which is nothing else."""
    assert printed.startswith(calls.BEGIN)
    assert printed.endswith(calls.END)
    return json.loads(printed.removeprefix(calls.BEGIN).removesuffix(calls.END))


def test_a_call_answers_with_what_main_returned(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = called("files", operation="listing", path=str(tmp_path))
    assert [row[0] for row in answer["value"]["entries"]] == ["file"]


def test_programs_see_the_users_variables_and_leave_no_names() -> None:
    namespace: dict[str, Any] = {"rides": [1]}
    exec("", namespace)  # which adds the builtins
    before = set(namespace)
    assert called("names", namespace, operation="variables", prefix="r") == {"value": ["rides"]}
    sent = called("variables", namespace, operation="send", token="t", names=["rides"], limit=1_000)
    assert len(sent["value"]["sizes"]) == 1
    assert set(namespace) == before


def test_what_a_program_says_it_can_not_do_carries_its_code() -> None:
    for program, arguments, answer in (
        (
            "files",
            {"operation": "listing", "path": "/nope"},
            {"code": "refused", "text": "There is no '/nope'."},
        ),
        (
            "variables",
            {"operation": "send", "token": "t", "names": ["x"], "limit": 1},
            {"code": "refused", "text": "There is no variable x."},
        ),
        (
            "variables",
            {"operation": "read", "token": "none", "offset": 0, "length": 1},
            {"code": "ENOENT"},
        ),
        ("names", {"operation": "paths"}, {"code": "exception"}),
    ):
        found = called(program, **arguments)
        assert {**found, **answer} == found, program
    assert found["text"].startswith("TypeError: main() missing")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import polars  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, "polars", None)
    namespace = {"table": polars.DataFrame()}
    arguments = {"token": "t", "names": ["table"], "limit": 1_000}
    answer = called("variables", namespace, operation="send", **arguments)
    assert answer == {"code": "missing", "text": "polars"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_need_nothing_of_ours_where_they_run(program: str) -> None:
    arguments = {"operation": "no such", **({"prefix": ""} if program == "names" else {})}
    code = f"import sys; sys.modules['tci_kernel'] = None; {loader.program(program, arguments)}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert answer_in(done.stdout) == {"code": "exception", "text": "KeyError: 'no such'"}


def test_what_is_completed_while_somebody_types_is_small() -> None:
    arguments = {"operation": "variables", "prefix": ""}
    assert len(loader.program("names", arguments)) < 6_000
    assert "numpy" not in loader.program("names", arguments)


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        loader.program("no such", {})


def test_a_file_is_launched_under_the_name_that_it_looks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loader, "source", lambda name: f"print({name!r}, __name__)\nx = 1")
    namespace: dict[str, Any] = {}
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(loader.launch("some", "_module"), namespace)
    assert printed.getvalue() == "some _module\n"
    assert "x" not in namespace
