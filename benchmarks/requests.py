"""Prints how long completion, inspection and is_complete take, next to a bare round trip."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import httpx
from jupyter_client.blocking.client import BlockingKernelClient

from tests.support.kernels import kernel
from tests.support.servers import ServerProcess, serving

ROUNDS = 50

# What a session holds that is asked about.
CELL = "import os, json\nclass Thing:\n    'A thing.'\n    attribute = 1\nthing = Thing()"

Ask = Callable[[BlockingKernelClient], str]

REQUESTS: dict[str, Ask] = {
    "complete `thing.attr`": lambda client: client.complete("thing.attr"),
    "complete `os.`": lambda client: client.complete("os."),
    "inspect `Thing`": lambda client: client.inspect("Thing"),
    "is_complete": lambda client: client.is_complete("for i in x:"),
}


def median(action: Callable[[], object]) -> float:
    """Milliseconds that an action takes, once it has been done before."""
    action()
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1000


def round_trip(server: ServerProcess) -> float:
    """Milliseconds for the service's answer to `pass`, in a session that exists."""
    url = f"{server.base_url}/tci/execute"
    body = {"language": "python", "code": "pass"}
    with httpx.Client(headers=server.headers, timeout=60) as client:
        body["session_id"] = client.post(url, json=body).json()["data"]["session_id"]
        return median(lambda: client.post(url, json=body))


def answer(client: BlockingKernelClient, ask: Ask) -> None:
    """Send a request and wait for its reply."""
    request = ask(client)
    while client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != request:
        pass


def answers(name: str, **environment: str) -> list[float]:
    """Milliseconds for each of the requests, in a kernel that is idle."""
    with kernel(name, **environment) as driver:
        driver.run(CELL)
        return [median(partial(answer, driver.client, ask)) for ask in REQUESTS.values()]


def main() -> None:
    """Measure, and print a row for each request."""
    with serving() as server:
        trip = round_trip(server)
        ours = answers("tci", TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token)
    theirs = answers("python3")
    print(f"\nMedians of {ROUNDS}, in ms; a bare round trip to the local server takes {trip:.1f}")
    print(f"{'':42}{'tci':>12}{'python3':>12}")
    for title, mine, other in zip(REQUESTS, ours, theirs, strict=True):
        print(f"{title:42}{mine:12.1f}{other:12.1f}")


if __name__ == "__main__":
    main()
