"""`%tci last` and `%tci history`: what ran, and what it showed."""

from __future__ import annotations

from typing import Any

from tests.support.kernels import Answer, KernelDriver


def text(answer: Answer) -> str:
    """What a command has shown, last."""
    data: dict[str, Any] = answer.outputs[-1][1]["data"]
    return str(data["text/plain"])


def test_the_last_output_is_shown_again(local_kernel: KernelDriver) -> None:
    local_kernel.run("import sys\nprint('one'); print('two', file=sys.stderr); 6 * 7")
    local_kernel.run("%tci status")  # no code: it is passed over
    again = local_kernel.run("%tci last")
    kinds = [kind for kind, _ in again.outputs]
    assert sorted(kinds[1:]) == ["display_data", "stream", "stream"]
    assert again.text() == "one\n"
    assert again.text("stderr") == "two\n"
    assert ("display_data", "42") in [
        (kind, content.get("data", {}).get("text/plain")) for kind, content in again.outputs
    ]


def test_an_error_and_several_cells_are_shown(local_kernel: KernelDriver) -> None:
    local_kernel.run("print('first')")
    local_kernel.run("print('second'); 1 / 0")
    again = local_kernel.run("%tci last 2")
    assert again.reply["status"] == "ok"
    assert again.text() == "first\nsecond\n"
    assert [content["ename"] for kind, content in again.outputs if kind == "error"] == [
        "ZeroDivisionError"
    ]


def test_a_display_is_shown_as_it_was_last(local_kernel: KernelDriver) -> None:
    code = """
from IPython.display import clear_output, display
print('gone'); clear_output(wait=True)
handle = display('a', display_id=True); handle.update('b')
"""
    local_kernel.run(code)
    again = local_kernel.run("%tci last")
    assert again.text() == ""
    shown = [content["data"]["text/plain"] for _, content in again.outputs]
    assert shown[1:] == ["'b'"]


def test_what_is_hidden_is_not_listed(local_kernel: KernelDriver) -> None:
    local_kernel.run("print('mine')")
    local_kernel.run("print('hidden')", store_history=False)
    assert local_kernel.run("%tci last").text() == "mine\n"


def test_the_history_says_when_where_and_how_it_ended(local_kernel: KernelDriver) -> None:
    local_kernel.run("x = 1\ny = 2")
    local_kernel.run("undefined_name")
    rows = text(local_kernel.run("%tci history")).splitlines()
    assert rows[0].split() == ["Cell", "Started", "Took", "Session", "Outcome", "Code"]
    assert "x = 1 …" in rows[-3]
    assert "ok" in rows[-3]
    assert "NameError" in rows[-2]
    assert "ses_" in rows[-2]
    assert "runs" in rows[-1]


def test_more_than_is_kept_is_forgotten_and_said(local_kernel: KernelDriver) -> None:
    local_kernel.run("print('x' * 20_000_000)")
    local_kernel.run("print('y' * 20_000_000)")
    assert len(local_kernel.run("%tci last").text()) == 20_000_001
    again = local_kernel.run("%tci last 2")
    assert "that is forgotten" in again.outputs[0][1]["data"]["text/plain"]
    assert len(again.text()) == 20_000_001


def test_bad_numbers_are_refused(local_kernel: KernelDriver) -> None:
    for words in ("last 0", "last x"):
        assert local_kernel.run(f"%tci {words}").reply["status"] == "error"
