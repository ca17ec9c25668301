"""What is said about code that is never run."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import jedi  # type: ignore[import-untyped]
import parso.cache
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from tci_kernel.kernel import introspection
from tci_kernel.kernel.introspection import is_complete, static_completions, static_inspection

COMPLETE = ["", "x = 1", "%time x", "!ls", "x?", "%%time\nx\n\n", "if x:\n    y\n\n", "f(\n)"]
INVALID = ["x = )", "print 1", "a b"]
INCOMPLETE = {
    "for i in x:": "    ",
    "if y:\n    for i in x:": "        ",
    "def f():\n    return 1": "    ",
    "x = (": "",
    '"""text': "",
    "%%time\nx": "",
    "if 1:\n  x\\": "  ",
    "x\\\n": "",
}


@pytest.mark.parametrize("code", COMPLETE)
def test_complete(code: str) -> None:
    assert is_complete(code) == {"status": "complete"}


@pytest.mark.parametrize("code", INVALID)
def test_invalid(code: str) -> None:
    assert is_complete(code) == {"status": "invalid"}


@pytest.mark.parametrize(("code", "indent"), INCOMPLETE.items())
def test_incomplete(code: str, indent: str) -> None:
    assert is_complete(code) == {"status": "incomplete", "indent": indent}


@pytest.mark.parametrize("code", [*COMPLETE, *INVALID, *INCOMPLETE])
def test_completeness_is_that_of_ipykernel(code: str) -> None:
    status, indent = TransformerManager().check_complete(code)  # type: ignore[no-untyped-call]
    expected = {"status": status}
    if status == "incomplete":
        expected["indent"] = " " * (indent or 0)
    assert is_complete(code) == expected


def test_completeness_is_known_at_once() -> None:
    code = "def f(x):\n    if x:\n        return [i for i in x]\n"
    is_complete(code)
    took = []
    for _ in range(20):
        start = time.perf_counter()
        is_complete(code)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.005


def complete(code: str, context: str = "") -> dict[str, Any]:
    """Complete at the mark `|`."""
    cursor = code.index("|")
    return static_completions(code.replace("|", ""), cursor, context)


def matches(code: str, context: str = "") -> list[str]:
    found: list[str] = complete(code, context)["matches"]
    return found


def inspect(code: str, context: str = "") -> str:
    """The description at the mark `|`, empty if there is none."""
    cursor = code.index("|")
    reply = static_inspection(code.replace("|", ""), cursor, context)
    assert reply["status"] == "ok"
    assert reply["metadata"] == {}
    assert reply["found"] is bool(reply["data"])
    text: str = reply["data"].get("text/plain", "")
    return text


def test_a_reply_has_what_ipykernel_gives() -> None:
    assert complete("math.sqr|", "import math") == {
        "status": "ok",
        "matches": ["sqrt"],
        "cursor_start": 5,
        "cursor_end": 8,
        "metadata": {
            "_jupyter_types_experimental": [
                {
                    "start": 5,
                    "end": 8,
                    "text": "sqrt",
                    "type": "function",
                    "signature": "(x: _SupportsFloatOrIndex, /) -> float",
                }
            ]
        },
    }


@pytest.mark.parametrize(
    ("code", "context", "expected"),
    [
        ("pri|", "", "print"),
        ("numb|", "number_of = 3", "number_of"),
        ("import collec|", "", "collections"),
        ("from math import sq|", "", "sqrt"),
        ("print(val|", "value = 3", "value"),
        ("print(val|)\nother", "value = 3", "value"),
        ("f(alp|", "def f(alpha=1): pass", "alpha="),
        ("def f():\n    inner = 1\n    g(\n        inn|", "", "inner"),
        ("text.upp|", "text = 'a'", "upper"),
        ("s.upp|", "import math\n%matplotlib inline\n!ls it's \"\ns = ''", "upper"),
        ("s.upp|", "if 1:\n    %time x\ns = ''", "upper"),
        ("s.upp|", "%%time\ns = ''", "upper"),
        ("%%time\nmath.sq|", "import math", "sqrt"),
        ("!ls\nmath.sq|", "import math", "sqrt"),
        ("math.sq|", "import math\r\n", "sqrt"),
        ("x = (3\n     % 2 + mat|", "import math", "math"),
    ],
)
def test_completion_finds(code: str, context: str, expected: str) -> None:
    assert expected in matches(code, context)


@pytest.mark.parametrize(
    "code",
    ["%time pri|", "%|", "!pri|", "%%bash\npri|", "'pri|", "open('/|", "nothing.|"],
)
def test_completion_keeps_quiet(code: str) -> None:
    cursor = code.index("|")
    reply = complete(code)
    assert reply["matches"] == []
    assert (reply["cursor_start"], reply["cursor_end"]) == (cursor, cursor)


def test_places_are_counted_in_code_points() -> None:
    code = "é = '🎈🎉'; größe.upp"
    reply = static_completions(code, len(code), "größe = '🎈'\n")
    assert reply["matches"] == ["upper"]
    assert code[reply["cursor_start"] : reply["cursor_end"]] == "upp"


def test_all_matches_start_at_one_place() -> None:
    reply = complete("import os; os.|")
    entries = reply["metadata"]["_jupyter_types_experimental"]
    assert [entry["text"] for entry in entries] == reply["matches"]
    assert {entry["start"] for entry in entries} == {reply["cursor_start"]}


def test_matches_without_time_for_details(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection, "_DETAIL_LIMIT", 0)
    (entry,) = complete("math.sqr|", "import math")["metadata"]["_jupyter_types_experimental"]
    assert (entry["text"], entry["type"], entry["signature"]) == ("sqrt", "", "")


def test_a_long_notebook_keeps_its_imports() -> None:
    context = "import math as m\nold_name = 1\n" + "x = 1\n" * 10_000 + "new_name = 1\n"
    assert "sqrt" in matches("m.sq|", context)
    assert matches("new_na|", context) == ["new_name"]
    assert matches("old_na|", context) == []
    assert matches("math|", "x" * 50_000) == []


def test_a_function_is_described() -> None:
    context = "def area(width, height=2):\n    'The area.'\n    return width * height\n"
    described = "Signature: area(width, height=2)\nDocstring:\nThe area.\nType: function"
    for code in ("area|", "ar|ea", "x = area(|", "area(1, |)", "print(area|(1))", "é='ü'; area|"):
        assert inspect(code, context) == described, code


def test_classes_modules_and_instances_are_described() -> None:
    context = "import json as j\nclass A:\n    'An A.'\n    def __init__(self, q): pass\na = A(1)"
    assert inspect("A|", context) == "Init signature: A(q)\nDocstring:\nAn A.\nType: type"
    assert inspect("a|", context) == "Docstring:\nAn A.\nType: A"
    assert "JSON" in inspect("j|", context)
    assert inspect("j|", context).endswith("Type: module")
    assert inspect("j.dumps|", context).startswith("Signature: dumps(obj")


def test_names_are_looked_up_in_their_scope() -> None:
    assert inspect("def f():\n    x = ''\n    print(\n        |x)\n").endswith("Type: str")


@pytest.mark.parametrize(
    "code", ["|", "nothing_like|", "for|", "%time print|", "%%bash\nprint|", "1 + |2", "'print|'"]
)
def test_inspection_finds_nothing(code: str) -> None:
    assert inspect(code) == ""


def test_nothing_of_the_machine_is_told() -> None:
    assert __file__.rpartition("/")[0] not in inspect("pytest|", "import pytest")
    assert "File:" not in inspect("json|", "import json")


def test_nothing_is_run_and_nothing_is_logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    threads = threading.active_count()
    context = "print('a_secret')\nraise SystemExit\na_secret = 1\n"
    assert matches("a_secr|", context) == ["a_secret"]
    assert inspect("a_secret|", context).endswith("Type: int")
    assert capfd.readouterr() == ("", "")
    assert "a_secret" not in caplog.text
    assert threading.active_count() == threads


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=40),
    st.text(st.sampled_from("%!?'\"\\\n\r\t .,()[]{}:=@#0axdefclassimport é🎈"), max_size=60),
)


@settings(deadline=None, max_examples=60)
@given(code=TEXTS, cursor=st.integers(-3, 70), context=TEXTS)
@example(code="a\\", cursor=2, context="b\\")
@example(code="\ud800.", cursor=2, context="")
@example(code="", cursor=10**30, context="\0")
def test_any_text_has_a_reply(code: str, cursor: int, context: str) -> None:
    reply = static_completions(code, cursor, context)
    assert reply["status"] == "ok"
    assert 0 <= reply["cursor_start"] <= reply["cursor_end"] <= len(code)
    assert static_inspection(code, cursor, context)["status"] == "ok"
    assert is_complete(code)["status"] in {"complete", "incomplete", "invalid", "unknown"}


def test_a_failure_of_jedi_is_no_failure_of_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RecursionError

    monkeypatch.setattr(introspection, "_jedi", fail)
    monkeypatch.setattr(introspection, "transformer", fail)
    assert matches("pri|") == []
    assert inspect("print|") == ""
    assert is_complete("x") == {"status": "unknown"}


def test_what_jedi_was_killed_over_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jedi.settings, "cache_directory", str(tmp_path))
    monkeypatch.setattr(parso.cache, "parser_cache", {})
    assert matches("json.du|", "import json") == ["dump", "dumps"]
    written = [*tmp_path.glob("*/*.pkl")]
    for number, file in enumerate(written):
        file.write_bytes(file.read_bytes()[: number % 2 * 1000])
    parso.cache.parser_cache.clear()
    assert matches("json.du|", "import json") == ["dump", "dumps"]
    for file in written:
        file.write_bytes(file.read_bytes()[:1000])
    parso.cache.parser_cache.clear()
    code = "import json\njson.dumps"
    assert static_inspection(code, len(code), "")["found"]
