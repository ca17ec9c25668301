"""What a session runs on, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tci_kernel.core.text import size
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.transfer import unexpected_answer

_MOST_GPUS = 64


async def machine(session: RemoteSession) -> Sequence[tuple[str, str]]:
    """CPUs, memory, disk, GPUs and the network of a session, each with a name.

    Raises:
        TCIError: as `RemoteSession.call`.
    """
    told = await session.call("machine")
    try:
        cpus, memory, disk = float(told["cpus"]), int(told["memory"]), int(told["disk"])
        gpus = [str(name)[:_MOST_GPUS] for name in list(told["gpus"])[:_MOST_GPUS]]
        has_way_out = bool(told["way_out"])
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise unexpected_answer() from error
    parts = [f"{cpus:g} CPU{'s' * (cpus != 1)}", f"{size(disk)} of disk free"]
    if memory:
        parts.insert(1, f"{size(memory)} of memory")
    named = [f"{name} ({count})" for name, count in Counter(gpus).items()]
    way = "there is a way out (nothing was sent to try it)" if has_way_out else "no way out"
    return [
        ("Machine", ", ".join(parts)),
        ("GPUs", ", ".join(named) or "none of NVIDIA"),
        ("Network", way),
    ]
