"""What the session says of the machine that it runs on."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tci_kernel.remote import machine


def test_all_is_told_of_this_machine() -> None:
    told = machine.main()

    assert 0 < told["cpus"] <= (os.cpu_count() or 1)
    assert told["memory"] > 100_000_000
    assert told["disk"] > 0
    assert isinstance(told["gpus"], list)


@pytest.mark.parametrize(
    ("text", "cpus"), [("50000 100000", 0.5), ("max 100000", 3), ("-1\n100000", 3), ("", 3)]
)
def test_a_quota_of_time_counts(
    text: str, cpus: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu").write_text(text)
    monkeypatch.setattr(machine, "CPU_LIMITS", (str(tmp_path / "cpu"), str(tmp_path / "none")))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2})

    assert machine.cpus() == cpus


@pytest.mark.parametrize(("text", "counts"), [("200000000", True), ("max", False)])
def test_a_limit_of_memory_counts(
    text: str, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory").write_text(text)
    monkeypatch.setattr(machine, "MEMORY_LIMITS", (str(tmp_path / "memory"),))

    assert (machine.memory() == 200_000_000) == counts


def test_a_way_out_is_known_from_a_route_or_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in machine.PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine, "OUTSIDE", ((socket.AF_INET, "127.0.0.1"),))
    assert machine.main()["way_out"]
    monkeypatch.setattr(machine, "OUTSIDE", ())
    assert not machine.main()["way_out"]
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    assert machine.main()["way_out"]
