"""Many live cells through a gateway with random faults, interrupts and kills, from a fixed seed.

`SOAK_CELLS` sets how many: a short run in the suite, a long one as `make soak`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.gateway import SEED, Chance, Gateway, cut, gateway, one_after_another
from tests.support.kernels import Answer, KernelDriver, kernel
from tests.support.live import Ledger
from tests.support.servers import serving
from tests.support.usage import Usage

CELLS = int(os.environ.get("SOAK_CELLS", "180"))

# Cells after which memory, descriptors and threads are first measured: imports are done by then.
WARM = 60

# The part of the calls that is hit by each fault.
SHARE = 0.03

# Seconds that a cell goes on whose interrupt met a network that was away.
SLEEP = 5

# Messages that a kernel must not publish, or can't be read.
JUNK: list[tuple[str, dict[str, Any]]] = [
    ("stream", {"name": "stdout"}),
    ("display_data", {"data": 7}),
    ("execute_input", {"code": "forged", "execution_count": 7}),
    ("shutdown_reply", {"restart": True}),
    ("kernel_info_reply", {}),
]

# A cell that tries what it must not: what it prints itself arrives, and nothing else.
HOSTILE = f"""
from ipykernel.kernelapp import IPKernelApp as _App
_kernel = _App.instance().kernel
for _kind, _content in {JUNK!r}:
    _kernel.session.send(_kernel.iopub_socket, _kind, _content, parent=_kernel.get_parent())
get_ipython().payload_manager.write_payload({{"source": "edit_magic", "filename": "/etc/passwd"}})
get_ipython().execution_count = 10**18
"""


FAULTS = (
    Chance(SHARE, SEED + 1).lost_requests(),
    Chance(SHARE, SEED + 2).lost_answers(),
    Chance(SHARE, SEED + 3).half_answers(),
    Chance(SHARE, SEED + 4).pages(502, 524),
    Chance(0.2, SEED + 5).late(0.1),
    Chance(SHARE, SEED + 6).garbage(),
    cut(),
    one_after_another(),
)


@dataclass
class World:
    """A kernel at a gateway, and what its cells have written down."""

    driver: KernelDriver
    service: Gateway
    ledger: Ledger
    random: random.Random

    def run(self, number: int) -> str:
        """Run a cell of some kind; gives what became of it."""
        dice = self.random.random()
        if dice < 0.02:
            self.service.leave_for(self.random.uniform(0.1, 1.0))
        if dice < 0.9:
            return self._whole(number, HOSTILE if dice > 0.8 else "")
        return self._interrupted(number) if dice < 0.97 else self._killed(number)

    def _whole(self, number: int, before: str) -> str:
        cell = self.driver.run(f"{before}\n{self.ledger.code(number)}")
        status = str(cell.reply["status"])
        if (
            cell.reply.get("payload")
            or status != "ok"
            or cell.text() != self.ledger.output(number)
            or cell.text("stderr")
        ):
            self.ledger.wrong.append(f"cell {number}: {cell.reply}, {len(cell.text())} characters")
        return status

    def _interrupted(self, number: int) -> str:
        """Run a cell that takes long, and interrupt it, sometimes twice."""
        code = f"{self.ledger.writing(number)}\nprint('begun')\nimport time; time.sleep({SLEEP})"
        running = self.driver.client.execute(code, stop_on_error=False)
        self.driver.until_published(running, lambda one: one["msg_type"] == "stream", "its output")
        for _ in range(self.random.randrange(1, 3)):
            self.driver.interrupt()
        return self._failed(number, self.driver.finish(running), "KeyboardInterrupt")

    def _killed(self, number: int) -> str:
        """Run a cell that kills its interpreter: the next one has another, in the same session."""
        code = f"{self.ledger.writing(number)}\nimport os; os.kill(os.getpid(), 9)"
        return self._failed(number, self.driver.run(code), "InterpreterDied")

    def _failed(self, number: int, cell: Answer, name: str) -> str:
        found = str(cell.reply.get("ename"))
        if found != name:
            self.ledger.wrong.append(f"cell {number}: {found} in the place of {name}")
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving() as server, gateway(server.base_url) as service:
        where = {"TOGETHER_BASE_URL": service.base_url, "TOGETHER_API_KEY": server.token}
        with kernel("tci", **where) as driver:
            # It begins in peace: a session whose id never arrives would be there twice.
            assert driver.run("pass").reply["status"] == "ok"
            service.faults = FAULTS
            ledger = Ledger(tmp_path / "ledger")
            yield World(driver, service, ledger, random.Random(SEED))


def session_process(world: World) -> psutil.Process:
    """The session's own interpreter, in which the relay is."""
    pid = int(world.driver.run("import os; print(os.getppid())").text())
    return psutil.Process(pid)


def test_many_cells_with_random_faults_interrupts_and_kills(world: World) -> None:
    became: Counter[str] = Counter()
    for number in range(CELLS):
        if number == WARM:
            relay = session_process(world)
            before = Usage.of(world.driver.pid), Usage.of(relay.pid)
        became[world.run(number)] += 1
    assert session_process(world) == relay
    after = Usage.of(world.driver.pid), Usage.of(relay.pid)
    assert world.ledger.wrong == []
    assert world.ledger.written() == list(range(CELLS))
    assert set(became) == {"ok", "KeyboardInterrupt", "InterpreterDied"}
    assert all(now.is_within(then) for now, then in zip(after, before, strict=True)), (
        before,
        after,
    )
    assert len(relay.children()) == 1
    assert world.service.refused == []
