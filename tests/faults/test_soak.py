"""Many cells with random faults, interrupts and expiries, from a fixed seed.

`SOAK_CELLS` sets how many: a short run in the suite, a long one as `make soak`.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.faulty import (
    Action,
    FaultyServer,
    answer,
    faulty_server,
    hang_up,
    http,
    listing,
    raw,
)
from tests.support.kernels import BARE, KernelDriver, kernel
from tests.support.usage import Usage
from tests.support.waiting import until

CELLS = int(os.environ.get("SOAK_CELLS", "1000"))
SEED = 20_251_208

# Cells after which memory, descriptors and threads are first measured: imports are done by then.
WARM = 60


@dataclass
class World:
    """A service with sessions that come and go, which knows what it has run."""

    service: FaultyServer
    random: random.Random
    session: str = ""
    ran: Counter[str] = field(default_factory=Counter)

    def renew(self) -> str:
        self.session = "ses_" + "".join(self.random.choices("abcdefgh", k=21))
        self.service.listed = listing(self.session)
        return self.session

    def runs(self, then: Action) -> Action:
        """Run the cell, then do something that may be an answer."""

        def act(connection: socket.socket) -> None:
            body = self.service.executions[-1].json()
            if body.get("session_id") not in (None, self.session):
                http(404, "{}")(connection)
                return
            self.ran[body["code"]] += 1
            then(connection)

        return act

    def answers(self, *outputs: tuple[str, object]) -> Action:
        return self.runs(answer(*outputs, session_id=self.session))


def good(world: World) -> list[Action]:
    return [world.answers(("stdout", "x" * world.random.randrange(200_000)))]


def failing(world: World) -> list[Action]:
    return [world.answers(("stdout", "a"), ("error", "ValueError: no"), ("error", "B: 2"))]


def busy(world: World) -> list[Action]:
    return [http(429, "{}", Retry_After_Ms="5"), world.answers()]


def broken(world: World) -> list[Action]:
    return [http(world.random.choice([500, 502, 504, 520, 529]), "<html>")]


def lost(world: World) -> list[Action]:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
    return [world.runs(hang_up(world.random.choice([b"", head])))]


def garbage(world: World) -> list[Action]:
    bodies = [b"", b"{", b"[]", b"\xff", json.dumps({"data": {"outputs": [1, None]}}).encode()]
    return [world.runs(http(200, world.random.choice(bodies)))]


def not_http(world: World) -> list[Action]:
    return [world.runs(raw(b"\0\1\2\r\n\r\n"))]


def refused(_world: World) -> list[Action]:
    return [http(200, json.dumps({"data": None, "errors": ["not now"]}))]


def expired(world: World) -> list[Action]:
    world.renew()
    return [http(404, json.dumps({"error": {"message": "gone"}})), world.answers()]


FAULTS: list[Callable[[World], list[Action]]] = [
    *(good, good, good, failing, busy, broken, lost, garbage, not_http, refused, expired)
]


def wait_for_the_end(connection: socket.socket) -> None:
    connection.recv(1)


def interrupted(driver: KernelDriver, world: World, code: str) -> str:
    """Run a cell that never ends, and interrupt it, sometimes twice."""
    world.service.play(world.runs(wait_for_the_end))
    running = driver.client.execute(code)
    until(lambda: world.service.executions, "the cell at the service")
    for _ in range(world.random.randrange(1, 3)):
        driver.interrupt()
    return str(driver.finish(running).reply["ename"])


def test_many_cells_with_random_faults() -> None:
    names: Counter[str] = Counter()
    with (
        faulty_server([]) as service,
        kernel("tci", BARE, TOGETHER_BASE_URL=service.base_url, TOGETHER_API_KEY="key") as driver,
    ):
        world = World(service, random.Random(SEED))
        world.renew()
        for number in range(CELLS):
            if number == WARM:
                before = Usage.of(driver.pid)
            if world.random.random() < 0.1:
                names[interrupted(driver, world, f"cell {number}")] += 1
                continue
            fault = world.random.choice(FAULTS)
            service.play(*fault(world))
            cell = driver.run(f"cell {number}")
            errors = [content for kind, content in cell.outputs if kind == "error"]
            assert len(errors) == (1 if cell.reply["status"] == "error" else 0), fault
            names[cell.reply.get("ename", "ok")] += 1
        after = Usage.of(driver.pid)
    assert sum(names.values()) == CELLS
    assert set(names) >= {"ok", "KeyboardInterrupt", "SessionExpired", "ConnectionLost"}
    twice = {code: count for code, count in world.ran.items() if count > 1}
    assert twice == {}
    assert after.is_within(before), (before, after)
