"""Room for a session in a Ray cluster: what a node sets aside for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ray.util.placement_group import (
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

# Seconds between looks whether there is room: soon at first, then as often as a second allows.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Room:
    """Asks a cluster for room on whichever node has most of it.

    An actor could ask by itself. But nobody could tell then whether it still waits for a node, or
    has one where its process is slow to start.

    Args:
        resources: by Ray's names for them, such as `CPU`. Where none is set aside there is room at
            once, everywhere.
    """

    def __init__(self, resources: Mapping[str, float]) -> None:
        wanted = {name: amount for name, amount in resources.items() if amount}
        self._group = placement_group([wanted], strategy="SPREAD") if wanted else None

    @property
    def scheduling_strategy(self) -> Any:
        """The option of an actor that is to have this room."""
        return PlacementGroupSchedulingStrategy(self._group) if self._group else "SPREAD"

    async def wait(self) -> None:
        """Wait until a node has set it aside."""
        pause = _FIRST_PAUSE
        while not await asyncio.to_thread(self._is_there):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _is_there(self) -> bool:
        return self._group is None or placement_group_table(self._group)["state"] == "CREATED"

    def release(self) -> None:
        """Give it to others, or ask for it no more."""
        if self._group:
            remove_placement_group(self._group)
