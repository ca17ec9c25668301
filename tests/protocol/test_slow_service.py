"""A service that is far away and has little CPU: what is asked beside the cells is answered still.

Each request is on its way for 0.4 s, and the interpreters have half of the time of a CPU.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.counting import CountingProxy, counted
from tests.support.kernels import KernelDriver, kernel
from tests.support.servers import TOKEN, serving
from tests.support.slowness import half_a_cpu
from tests.support.waiting import PATIENCE, until

LATENCY = 0.4

# Seconds in which who types on has a whole answer, also on a busy machine that tests.
SOME_SECONDS = 30.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[CountingProxy]:
    # A cache of its own: what jedi has kept of other tests would make it quick.
    with (
        serving(XDG_CACHE_HOME=str(tmp_path)) as server,
        half_a_cpu(server.process.pid, seconds=3 * PATIENCE),
        counted(server.base_url, LATENCY) as proxy,
    ):
        yield proxy


@pytest.fixture
def driver(service: CountingProxy) -> Iterator[KernelDriver]:
    with kernel("tci", TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY=TOKEN) as driver:
        yield driver


def typed(driver: KernelDriver, code: str, wanted: str) -> int:
    """Ask until the completion is whole, as who types does; gives how often it was asked for."""
    asked = 0

    def is_complete() -> bool:
        nonlocal asked
        asked += 1
        start = time.monotonic()
        content: dict[str, Any] = driver.reply(driver.client.complete(code))["content"]
        assert content["status"] == "ok"
        assert time.monotonic() - start < SOME_SECONDS
        return wanted in content["matches"]

    until(is_complete, f"completion of {code!r}", SOME_SECONDS)
    return asked


def test_completion_comes_and_goes_on_coming(driver: KernelDriver, service: CountingProxy) -> None:
    # jedi's import, and what it knows of a module, take longer than who types waits.
    begin = "import collections\nclass Thing:\n    attribute = 1\nthing = Thing()"
    assert driver.run(begin).reply["status"] == "ok"
    typed(driver, "collections.OrderedD", "OrderedDict")
    # Names and attributes that the session alone knows.
    for code, wanted in (("thing.attr", "attribute"), ("thin", "thing")):
        typed(driver, code, wanted)
    driver.run("setattr(thing, 'late_' + 'comer', 2)\nglobals()['later_' + 'name'] = 3")
    assert typed(driver, "thing.late_", "late_comer")
    assert typed(driver, "later_", "later_name")
    # It is the session that answers: nobody hangs up on it, so that nothing is broken there.
    assert driver.run("import jedi; jedi.__version__").reply["status"] == "ok"


def test_expressions_are_answered_with_the_first_cell(driver: KernelDriver) -> None:
    cell = driver.run("x = 41", user_expressions={"sum": "x + 1", "missing": "no_such_name"})
    values = cell.reply["user_expressions"]
    assert values["sum"] == {"status": "ok", "data": {"text/plain": "42"}, "metadata": {}}
    assert (values["missing"]["status"], values["missing"]["ename"]) == ("error", "NameError")


def test_the_interpreters_are_slow_indeed(driver: KernelDriver, service: CountingProxy) -> None:
    """The tests above show something only if this holds."""
    pid = int(driver.run("import os; print(os.getpid())").text())
    start, before = time.monotonic(), sum(psutil.Process(pid).cpu_times()[:2])
    driver.run("import time; end = time.monotonic() + 2\nwhile time.monotonic() < end: pass")
    spent = sum(psutil.Process(pid).cpu_times()[:2]) - before
    assert time.monotonic() - start >= 2 + LATENCY
    assert spent < 0.75 * 2
