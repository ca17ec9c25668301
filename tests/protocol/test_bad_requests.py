"""Requests that can't be read or answered: each gets its reply, and the kernel goes on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kernels import KernelDriver
from tests.support.waiting import received


def answered(driver: KernelDriver, kind: str, content: Any, channel: str = "shell") -> Any:
    """The reply to a request, unchecked."""
    client = driver.client
    message = client.session.msg(kind, content)
    sent, get = {
        "shell": (client.shell_channel, client.get_shell_msg),
        "control": (client.control_channel, client.get_control_msg),
    }[channel]
    sent.send(message)
    replies = received(get, f"reply to {kind}")
    sent_id = message["header"]["msg_id"]
    reply = next(one for one in replies if one["parent_header"].get("msg_id") == sent_id)
    assert reply["msg_type"] == kind.replace("_request", "_reply")
    return reply["content"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("execute_request", {"code": 5}),
        ("execute_request", {}),
        ("execute_request", {"code": None, "silent": False}),
        ("execute_request", {"code": "1", "user_expressions": 5}),
        ("complete_request", {"code": 5, "cursor_pos": 0}),
        ("complete_request", {}),
        ("inspect_request", {"code": "x", "cursor_pos": "end"}),
        ("is_complete_request", {"code": []}),
    ],
)
def test_what_cannot_be_read_is_answered(
    local_kernel: KernelDriver, kind: str, content: dict[str, Any]
) -> None:
    # What comes right behind a cell that fails would be aborted, as by ipykernel.
    content = {"stop_on_error": False, **content} if kind == "execute_request" else content
    assert answered(local_kernel, kind, content)["status"] in ("error", "ok", "unknown")
    assert local_kernel.run("6 * 7").only("execute_result")["data"]["text/plain"] == "42"


def test_names_that_no_message_can_carry_are_answered(local_kernel: KernelDriver) -> None:
    local_kernel.run("odd = {'\\ud800x': 1, 'y': 2}")
    for code in ("odd['", "odd['\ud800"):
        content = {"code": code.encode("utf-8", "replace").decode(), "cursor_pos": len(code)}
        assert answered(local_kernel, "complete_request", content)["status"] in ("ok", "error")
    assert local_kernel.run("1").reply["status"] == "ok"


def test_background_code_that_is_nested_too_deeply_is_answered(local_kernel: KernelDriver) -> None:
    code = "def __jupyter_exec_background__(): 'application/vnd.vscode.bg.execution.1'\n"
    code += "return kernel.do_complete(" + "(" * 5_000 + ")" * 5_000 + ")"
    # What comes right behind one that fails would be aborted, as by ipykernel.
    content = {"code": code, "silent": False, "store_history": False, "stop_on_error": False}
    assert answered(local_kernel, "execute_request", content)["status"] in ("ok", "error")
    assert local_kernel.run("1").reply["status"] == "ok"


@pytest.mark.parametrize("content", [{}, {"command": 5}, {"command": "attach", "arguments": 7}])
def test_debug_requests_that_make_no_sense_are_answered(
    local_kernel: KernelDriver, content: dict[str, Any]
) -> None:
    assert isinstance(answered(local_kernel, "debug_request", content, "control"), dict)
    assert local_kernel.run("1").reply["status"] == "ok"
