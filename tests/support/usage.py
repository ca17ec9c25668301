"""What a process uses of the machine."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """Resident bytes, descriptors and threads of a process."""

    memory: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """What a process uses now."""
        process = psutil.Process(pid)
        return cls(process.memory_info().rss, process.num_fds(), process.num_threads())

    def is_within(self, before: Usage) -> bool:
        """Whether it is no more than it was, but for what comes and goes."""
        return (
            self.threads <= before.threads
            and self.descriptors <= before.descriptors + 3
            and self.memory <= before.memory * 1.25 + 20_000_000
        )
