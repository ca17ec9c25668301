"""A session whose relay lies: whatever it says, the kernel answers, stays small and goes on."""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.support.gateway import Gateway, gateway, lies
from tests.support.kernels import KernelDriver, kernel
from tests.support.servers import ServerProcess, serving
from tests.support.waiting import PATIENCE

# Seconds in which the kernel answers on the control channel, whatever a session does.
PROMPT = 5.0

# Bytes that the kernel may take more than before: answers are bounded, and what waits as well.
MOST = 400_000_000

# Requests while a session lies, for some five seconds.
MOST_REQUESTS = 150

_numbers = itertools.count(1_000_000)


def message(kind: str, content: Any, channel: str = "iopub", **parent: Any) -> dict[str, Any]:
    """A message that nobody has sent."""
    header = {"msg_id": f"forged-{next(_numbers)}", "msg_type": kind, "session": "x"}
    return {
        "channel": channel,
        "header": header,
        "parent_header": parent,
        "metadata": {},
        "content": content,
        "buffers": [],
    }


def adding(*messages: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Have messages come with each answer, of the request that runs, if one does."""

    def change(fields: dict[str, Any]) -> None:
        for one in messages:
            parent = {"msg_id": fields["running"][0]} if fields["running"] else {}
            is_nobodys = one.get("parent_header") == {}
            fields["messages"].append({**one, "parent_header": parent} if is_nobodys else one)

    return change


def setting(**lied: Any) -> Callable[[dict[str, Any]], None]:
    """Have fields of each answer say something else."""

    def change(fields: dict[str, Any]) -> None:
        fields.update(lied)

    return change


def state(**lied: Any) -> Callable[[dict[str, Any]], None]:
    """Have each answer say something else of the interpreter."""

    def change(fields: dict[str, Any]) -> None:
        fields["interpreter"].update(lied)

    return change


def swallowing(*kinds: str) -> Callable[[dict[str, Any]], None]:
    """Have messages of some types, or all, never arrive."""

    def change(fields: dict[str, Any]) -> None:
        for number, one in enumerate(fields["messages"]):
            if not kinds or one.get("header", {}).get("msg_type") in kinds:
                fields["messages"][number] = {}

    return change


def repeating(fields: dict[str, Any]) -> None:
    fields["messages"] *= 50


def reversing(fields: dict[str, Any]) -> None:
    fields["messages"].reverse()


def renewing(fields: dict[str, Any]) -> None:
    fields["interpreter"]["number"] = next(_numbers)


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


QUESTION = {"prompt": "? ", "password": False}

LIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "future": setting(first=10**9),
    "past": setting(first=-(10**9)),
    "taken in future": setting(taken=10**9),
    "taken in past": setting(taken=-1),
    "count": setting(count=10**18),
    "more for ever": setting(more=True),
    "another relay": setting(relay="another"),
    "runs for ever": setting(running=["x"] * 1000),
    "wrong types": setting(running=7, messages={}, taken="x"),
    "not a number": setting(took=float("nan"), first=1e400),
    "dead": state(state="dead", reason="\x1b[31mlied", number=7),
    "failed": state(state="failed", reason="lied"),
    "another interpreter": renewing,
    "nothing": swallowing(),
    "no reply": swallowing("execute_reply"),
    "repeated": repeating,
    "reordered": reversing,
    "status": adding(*[message("status", {"execution_state": "idle"})] * 3),
    "types": adding(
        message("shutdown_reply", {"restart": True}, "control"),
        message("kernel_info_reply", {}, "shell"),
        message("execute_input", {"code": "x", "execution_count": 7}),
        message("iopub_welcome", {}),
    ),
    "replies": adding(*[message("execute_reply", {"status": "ok"}, "shell", msg_id="none")] * 100),
    "empty replies": adding(*[message("execute_reply", {}, "shell")] * 3),
    "debugger": adding(*[message("debug_reply", {"success": True}, "control")] * 10),
    "questions": adding(*[message("input_request", QUESTION, "stdin")] * 10),
    "comms": adding(
        *[message("comm_open", {"comm_id": str(n), "target_name": "x"}) for n in range(1_000)]
    ),
    "deep": adding(message("display_data", {"data": nested(900), "metadata": {}})),
    "large": adding(message("stream", {"name": "stdout", "text": "x" * 20_000_000})),
    "many": adding(*[message("stream", {"name": "stdout", "text": "x"})] * 20_000),
    "unreadable": adding({"part": 7, "more": True}, {"part": "{"}, {}, {"header": []}),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server of their own, whose sessions end soon: these are many, and nobody ends them."""
    with serving("--session-lifetime", "60") as process:
        yield process


@pytest.fixture(scope="module")
def between(server: ServerProcess) -> Iterator[Gateway]:
    with gateway(server.base_url) as made:
        yield made


@pytest.fixture
def driver(between: Gateway, server: ServerProcess) -> Iterator[KernelDriver]:
    """A kernel whose session has told the truth so far."""
    between.faults = ()
    where = {"TOGETHER_BASE_URL": between.base_url, "TOGETHER_API_KEY": server.token}
    with kernel("tci", "--RemoteSession.retry_for=2", **where) as started:
        assert started.run("x = 6 * 7").reply["status"] == "ok"
        yield started
        between.faults = ()


def replies(driver: KernelDriver, msg_id: str, seconds: float) -> int:
    """How many replies a request gets in some seconds."""
    limit, count = time.monotonic() + seconds, 0
    while (left := limit - time.monotonic()) > 0:
        try:
            reply = driver.client.get_shell_msg(timeout=left)
        except queue.Empty:
            break
        count += reply["parent_header"].get("msg_id") == msg_id
    return count


@pytest.mark.parametrize("lie", LIES)
def test_the_kernel_answers_stays_small_and_goes_on(
    driver: KernelDriver, between: Gateway, lie: str
) -> None:
    process = psutil.Process(driver.pid)
    before = process.memory_info().rss
    told: list[str] = []

    def tell(fields: dict[str, Any]) -> None:
        LIES[lie](fields)
        told.append(lie)

    between.faults = [lies(tell)]
    between.forget()
    cell = driver.client.execute("print(x)", stop_on_error=False)
    count = replies(driver, cell, 4)
    start = time.monotonic()
    driver.control("kernel_info_request", {})
    driver.interrupt()
    assert time.monotonic() - start < PROMPT
    assert process.memory_info().rss - before < MOST
    assert len(between.received) < MOST_REQUESTS
    between.faults = ()
    assert told
    if count == 0:  # a relay that ends no cell keeps it from ending; the truth, or a restart, helps
        count = replies(driver, cell, 20)
    assert count <= 1
    if count:
        driver.run("%tci new")
        assert driver.run("print(6 * 7)").text() == "42\n"


def test_a_cell_that_a_relay_never_ends_leaves_the_kernel_to_be_restarted(
    driver: KernelDriver, between: Gateway
) -> None:
    between.faults = [lies(swallowing())]
    driver.client.execute("print(x)")
    start = time.monotonic()
    driver.manager.shutdown_kernel(restart=True)
    assert time.monotonic() - start < PATIENCE / 2
