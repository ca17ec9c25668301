"""Room for a session in a Ray cluster: what a node sets aside for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

import ray
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

# Seconds between looks whether there is room: soon at first, then as often as a second allows.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

T = TypeVar("T")


class Room:
    """Asks a cluster for room on whichever node has most of it.

    An actor could ask by itself. But nobody could tell then whether it still waits for a node, or
    has one where its process is slow to start.

    Args:
        resources: by Ray's names for them, such as `CPU`. Where none is set aside there is room at
            once, everywhere.
    """

    def __init__(self, resources: Mapping[str, float]) -> None:
        self._wanted = {name: amount for name, amount in resources.items() if amount}
        self._group: PlacementGroup | None = None
        self._is_released = False
        self._lock = threading.Lock()

    @property
    def scheduling_strategy(self) -> Any:
        """The option of an actor that is to have this room, once that is set aside."""
        return PlacementGroupSchedulingStrategy(self._group) if self._group else "SPREAD"

    async def wait(self) -> None:
        """Wait until a node has set it aside."""
        if not self._wanted:
            return
        await _beside(self._ask)
        pause = _FIRST_PAUSE
        while not await _beside(self._is_there):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def release(self) -> None:
        """Give it to others, or ask for it no more."""
        self._is_released = True
        threading.Thread(target=self._remove, daemon=True).start()

    def _ask(self) -> None:
        with self._lock:
            if not self._is_released:
                self._group = placement_group([self._wanted], strategy="SPREAD")

    def _is_there(self) -> bool:
        return bool(placement_group_table(self._group)["state"] == "CREATED")

    def _remove(self) -> None:
        with self._lock:
            if self._group and ray.is_initialized():  # else it has ended with the server's job
                remove_placement_group(self._group)


async def _beside(call: Callable[[], T]) -> T:
    """What a call of Ray's gives, from a thread of its own.

    It waits for the cluster's head, which may be away: then the thread is left behind.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            given = call()
        except Exception as error:  # noqa: BLE001 - whoever waits for it has it
            outcome.set_exception(error)
        else:
            outcome.set_result(given)

    outcome.set_running_or_notify_cancel()  # nobody stops it once it has begun
    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(outcome)
