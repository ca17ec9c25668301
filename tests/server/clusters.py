"""A Ray cluster of several nodes on this computer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil

from tests.server.processes import is_gone
from tests.support.programs import missing
from tests.support.waiting import PATIENCE, until

# CPUs of each node but the head, which has none: sessions are on the others alone.
CPUS = 2

# Where the agents of a node listen. Left to itself, Ray waits until they have chosen ports, which
# on a busy computer takes them longer than it waits.
_AGENTS = (
    *("metrics_agent_port", "metrics_export_port"),
    *("dashboard_agent_listen_port", "runtime_env_agent_port"),
)

# Bytes; the least that Ray takes.
_OBJECT_STORE = 80_000_000

# So that a node that dies is noticed, as docs/scale.md has it.
_HEALTH = {
    "health_check_initial_delay_ms": 1_000,
    "health_check_period_ms": 1_000,
    "health_check_timeout_ms": 1_000,
    "health_check_failure_threshold": 3,
}


class RayCluster:
    """A head, and nodes that can be added and removed.

    Attributes:
        address: of the head.
        nodes: those that sessions run on.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.address: str = cluster.address
        self.nodes: list[Any] = []

    def add(self) -> Any:
        """Start another node."""
        node = self._cluster.add_node(num_cpus=CPUS, **_options())
        self.nodes.append(node)
        return node

    def remove(self, node: Any) -> None:
        """Kill a node's processes, all at once."""
        self.nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    def behead(self) -> None:
        """Kill what the head knows the cluster by."""
        self._cluster.head_node.kill_gcs_server(check_alive=False)

    def node_of(self, pid: int) -> Any:
        """The node that a process of this computer belongs to."""
        above = {parent.pid for parent in psutil.Process(pid).parents()}
        (node,) = [node for node in self.nodes if _raylet(node) in above]
        return node

    def actors(self) -> list[psutil.Process]:
        """The processes of all actors."""
        return [one for one in self.workers() if "SessionActor" in _name(one)]

    def workers(self) -> list[psutil.Process]:
        """The processes that are actors, or can become some."""
        found = []
        for node in self.nodes:
            with suppress(psutil.NoSuchProcess):
                found += psutil.Process(_raylet(node)).children()
        kinds = ("ray::", "default_worker.py")
        return [one for one in found if not is_gone(one) and any(k in _name(one) for k in kinds)]

    def until_empty(self) -> None:
        """Wait until no actor runs."""
        until(lambda: not self.actors(), "the end of all actors")


def _raylet(node: Any) -> int:
    (raylet,) = node.all_processes["raylet"]
    pid: int = raylet.process.pid
    return pid


def _name(process: psutil.Process) -> str:
    """What Ray has written over the command line of a process."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def _options() -> dict[str, Any]:
    """What holds for each node: as little as possible is started and taken."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in _AGENTS]
        ports = [one.getsockname()[1] for one in sockets]
    return {
        **dict(zip(_AGENTS, ports, strict=True)),
        "include_log_monitor": False,
        "object_store_memory": _OBJECT_STORE,
    }


@contextmanager
def cluster(nodes: int = 2) -> Iterator[RayCluster]:
    """Start a head and nodes for sessions, and stop them afterwards."""
    try:
        from ray.cluster_utils import Cluster  # noqa: PLC0415 - it may not be installed
    except ModuleNotFoundError:
        missing("Ray")
    head = {
        "num_cpus": 0,
        "include_dashboard": False,
        "no_monitor": True,
        "_system_config": _HEALTH,
        **_options(),
    }
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        started = RayCluster(made)
        for _ in range(nodes):
            started.add()
        made.wait_for_nodes(PATIENCE)
        yield started
    finally:
        made.shutdown()
