"""Tells what the session runs on, by what its system says: nothing is sent anywhere to find out.

It is sent as text with each request (see `calls`), and may meet any Python from 3.7 on.
"""

from __future__ import annotations

import glob
import os
import shutil
import socket
from contextlib import suppress
from typing import Any

# The limits of a container, in cgroups of version 2 or of version 1: a quota of time and the period
# that it is for, and the memory in bytes.
CPU_LIMITS = (
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
)
MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

# Addresses that are reserved for documents: nobody has them, and the way to them is that out.
OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def main() -> dict[str, Any]:
    """CPUs, bytes of memory and of free disk, the GPUs' names, and whether there is a way out."""
    return {
        "cpus": cpus(),
        "memory": memory(),
        "disk": shutil.disk_usage(os.curdir).free,
        "gpus": gpus(),
        "way_out": any(os.environ.get(name) for name in PROXIES) or has_route(),
    }


def cpus() -> float:
    """How many CPUs' time the session may take."""
    try:
        count = float(len(os.sched_getaffinity(0)))
    except AttributeError:  # not on macOS
        count = float(os.cpu_count() or 1)
    words = " ".join(map(text_of, CPU_LIMITS)).split()
    with suppress(ValueError, ZeroDivisionError):  # there is no quota, which may be the word `max`
        quota, period = map(int, words)
        if quota > 0:
            return min(count, quota / period)
    return count


def memory() -> int:
    """Bytes of memory that the session may take, or 0 where nothing says so."""
    known = []
    with suppress(AttributeError, ValueError, OSError):
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(ImportError, ValueError, OSError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        known += [limit] if limit != resource.RLIM_INFINITY else []
    known += [int(text) for text in map(text_of, MEMORY_LIMITS) if text.isdigit()]
    return min(known, default=0)


def gpus() -> list[str]:
    """The names of the GPUs that code may use, as far as NVIDIA's driver tells them."""
    paths = sorted(glob.glob("/proc/driver/nvidia/gpus/*/information"))
    lines = [line for path in paths for line in text_of(path).splitlines()]
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    count = len(glob.glob("/dev/nvidia[0-9]*"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        count = min(count, len(list(filter(None, visible.split(",")))))
    return (names or ["NVIDIA"] * count)[:count]


def has_route() -> bool:
    """Whether the system knows a way out. To connect a socket of UDP sends nothing."""
    for family, address in OUTSIDE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return True
    return False


def text_of(path: str) -> str:
    """What a file of the system says; nothing where there is none."""
    try:
        with open(path) as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""
