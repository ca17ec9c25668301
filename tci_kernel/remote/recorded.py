"""What the record of cells and a saved state name alike: the record, and states of chance.

It travels to the session as text before that of `lineage`, `saving` and `restoring`. It may meet
any Python from 3.8 on.
"""

from __future__ import annotations

import random
import sys
from typing import Any

# The module that keeps the record.
RECORDER = "_tci_kernel_lineage"

# States of generators of random numbers. They are no variables: each is given back with a call.
RANDOM = "random.getstate()"
NUMPY_RANDOM = "numpy.random.get_state()"
TORCH_RANDOM = "torch.random.get_rng_state()"


def random_states() -> dict[str, Any]:
    """The states of the generators of random numbers that modules have."""
    states: dict[str, Any] = {RANDOM: random.getstate()}
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        states[NUMPY_RANDOM] = numpy.get_state()
    torch = sys.modules.get("torch.random")
    if torch is not None:
        states[TORCH_RANDOM] = torch.get_rng_state()
    return states
