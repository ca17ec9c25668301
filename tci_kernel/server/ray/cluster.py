"""The way into a Ray cluster: one that is there, or one that is started on this computer."""

from __future__ import annotations

import logging
import os
import queue
import threading
from typing import Any

import ray

from tci_kernel.core.errors import ConfigurationError

# The address that stands for a cluster on this computer, which ends with the server.
LOCAL = "local"

# Seconds for a cluster to let this server in. Ray itself would try for minutes.
_JOIN_TIMEOUT = 10.0

# How soon a node that is silent counts as dead: after some five seconds. Ray's own settings take a
# minute.
_HEALTH = {
    "health_check_initial_delay_ms": 1_000,
    "health_check_period_ms": 1_000,
    "health_check_timeout_ms": 1_000,
    "health_check_failure_threshold": 3,
}

# What sessions print is in their answers, and what goes wrong in our own errors.
_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


def connect(address: str) -> None:
    """Make this process part of a cluster.

    Args:
        address: of the cluster's head, `auto` for the one that this computer is part of, or
            `local`, which starts one.

    Raises:
        ConfigurationError: it can't be reached or started; says why.
    """
    if address == LOCAL:
        _start()
    elif "://" in address:
        raise ConfigurationError(
            f"{address} is the address of a proxy: the server must be part of the cluster itself.",
            advice="Run it on a node, and give the address of the head, such as 10.0.0.1:6379.",
        )
    else:
        _join(address)


def _start() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray reports its use to its makers
    try:
        # Its processes end with the thread that starts them: it must be this one.
        ray.init(address=LOCAL, include_dashboard=False, _system_config=_HEALTH, **_QUIET)
    except Exception as error:
        raise ConfigurationError(f"Ray did not start on this computer: {error}") from error


def _join(address: str) -> None:
    """Join a cluster from a thread, which is left behind if there is no answer."""
    outcomes: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def join() -> None:
        try:
            ray.init(address=address, **_QUIET)
        except Exception as error:  # noqa: BLE001 - Ray says with any of them what is wrong
            outcomes.put(error)
        else:
            outcomes.put(None)

    threading.Thread(target=join, daemon=True).start()
    try:
        problem: Any = outcomes.get(timeout=_JOIN_TIMEOUT)
    except queue.Empty:
        problem = f"there was no answer in {_JOIN_TIMEOUT:.0f} seconds."
    if problem is not None:
        raise ConfigurationError(
            f"The Ray cluster at {address} can't be joined: {problem}",
            advice="Give the address of its head, run this server on one of its nodes, and have "
            "the same versions of Ray and Python there.",
        ) from (problem if isinstance(problem, Exception) else None)
