"""What several programs find in a session by the same names: modules, and states of chance.

It travels to the session as text before that of `lineage`, `companion`, `helper`, `saving` and
`restoring`. It may meet any Python from 3.7 on.
"""

from __future__ import annotations

import random
import sys
from typing import Any

# The modules of what is used live, and of what keeps a record of the cells: see `lineage`.
COMPANION = "_tci_kernel_companion"
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
