"""The names that begin with what was typed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tci_kernel.remote.names import MAX_NAMES, paths, variables_like


def test_paths_begin_with_what_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data" / "two").mkdir(parents=True)
    for name in ("data/one.csv", "date", ".hidden"):
        (tmp_path / name).touch()
    assert paths("da") == ["data/", "date"]
    assert paths("") == ["data/", "date"]
    assert paths(".") == [".hidden"]
    assert paths("data/") == ["data/one.csv", "data/two/"]
    assert paths("./data/o") == ["./data/one.csv"]
    assert paths("~/dat") == ["~/data/", "~/date"]
    assert paths(f"{tmp_path}/date") == [f"{tmp_path}/date"]
    assert paths("nowhere/") == paths("nul\0/") == []


def test_only_variables_of_the_users_own_are_named() -> None:
    namespace = {"rides": {}, "ride": 1, "_own": 2, "Ride": type, "sys": sys, "r_hidden": 3}
    assert variables_like("r", namespace, {"r_hidden"}) == ["ride", "rides"]
    assert variables_like("", namespace, ()) == ["r_hidden", "ride", "rides"]
    assert variables_like("_", namespace, ()) == ["_own"]


def test_no_more_names_are_given_than_somebody_reads(tmp_path: Path) -> None:
    namespace = {f"x{number:04}": number for number in range(MAX_NAMES + 1)}
    for name in namespace:
        (tmp_path / name).touch()
    assert variables_like("x", namespace, ()) == list(namespace)[:MAX_NAMES]
    assert len(paths(f"{tmp_path}/")) == MAX_NAMES
