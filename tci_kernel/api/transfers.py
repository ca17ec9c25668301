"""Files that scripts move, and what has become of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tci_kernel.transfer.transfer import Transfer

# A path on this computer.
Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a transfer has done.

    Attributes:
        sizes: bytes of each file that has arrived, by its path below the destination.
        left_out: what was found and can't be transferred, a sentence each.
        there: files that would have been copied onto themselves, where the session works in a
            directory of this computer.
    """

    sizes: Mapping[str, int]
    left_out: Sequence[str]
    there: Sequence[str]


async def transferred(transfer: Transfer) -> Transferred:
    """Run a transfer, and give what it has done."""
    await transfer.run()
    return Transferred(transfer.sizes, transfer.left_out, transfer.there)
