"""Where a server goes that is to run its sessions in a Ray cluster. Ray need not be installed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from tci_kernel.core.errors import ConfigurationError
from tci_kernel.server.machine import InterpreterOptions
from tci_kernel.server.workspace import WorkspaceSupply


@dataclass(frozen=True, slots=True)
class Resources:
    """What Ray sets aside for a session. It counts them, and keeps no code from taking more.

    Attributes:
        cpus: how many; parts of one are possible.
        memory: bytes; 0 sets none aside.
        gpus: how many; parts of one are possible.
    """

    cpus: float
    memory: int
    gpus: float


def supply(
    address: str, options: InterpreterOptions, resources: Resources, wait: float
) -> WorkspaceSupply:
    """Join a cluster, or start one; gives what makes sessions there.

    Args:
        address: of the cluster; `local` starts one on this computer.
        options: of the interpreters.
        resources: of each session.
        wait: seconds that a new session waits for room.

    Raises:
        ConfigurationError: Ray is not installed, the cluster can't be reached or started, or no
            session can have such resources.
    """
    if find_spec("ray") is None:
        raise ConfigurationError(
            "Ray is not installed here.", advice="Install it: pip install 'tci-kernel[ray]'"
        )
    from tci_kernel.server.ray import cluster  # noqa: PLC0415 - Ray takes a second to import
    from tci_kernel.server.ray.supply import RaySupply  # noqa: PLC0415 - as above

    cluster.connect(address)
    return RaySupply(
        options, wait, cpus=resources.cpus, memory=resources.memory, gpus=resources.gpus
    )
