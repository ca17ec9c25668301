"""What a session offers for download, and what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tci_kernel.remote.survey import Survey
from tci_kernel.transfer.requested import is_requested
from tci_kernel.transfer.sources import root


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("plot.png", ".git/hooks/pre-commit"),
        ("plot.png", "plot.pngx"),
        ("plot.png", ".bashrc"),
        ("plot.png", ""),
        ("data/plot.png", "data/plot.png"),  # it would arrive without the directory
        ("data", "other/plot.png"),
        ("*.png", ".git/hooks/pre-commit"),
        ("*.png", "plot.txt"),
        ("*", ".bashrc"),
        ("data/*/x.csv", "1/y.csv"),
        ("data/*/x.csv", "1/2/x.csv"),
        ("**/*.csv", ".ssh/x.csv"),
        ("[ab].txt", "c.txt"),
    ],
)
def test_what_was_not_asked_for_is_told_from_the_rest(path: str, offered: str) -> None:
    assert not is_requested([*filter(None, offered.split("/"))], [(path, root(path))])


@pytest.mark.parametrize(
    "path",
    [
        *("plot.png", "data", "data/", "data/deep", "./data/deep/x.csv", ".", "~", "..", "data/."),
        *("*", "*.png", "data/*", "data/**", "**", "**/*.csv", "d*/**/x.csv", "data/*/x.csv"),
        *("./*.png", "data/deep/?.csv", "[pq]lot.png", "~/data/*", "ne*/.hidden/*"),
        *("**/deep", ".h*", "*.[pq]ng", "star[*]*", "star*"),
    ],
)
def test_what_a_session_finds_was_asked_for(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("plot.png", "data/deep/x.csv", "data/y.csv", "nested/.hidden/z.csv", ".hid/x"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    (tmp_path / "in" / "star*").write_text("star")
    monkeypatch.chdir(tmp_path / "in")
    monkeypatch.setenv("HOME", str(Path.cwd()))
    for kept in (root(path), []):  # with its own name, or under a new one
        survey = Survey()
        survey.add(path, kept)
        assert survey.files
        for parts in (*(found.parts for found in survey.files), *survey.directories):
            assert is_requested(parts, [(path, kept)]), parts


def test_each_of_several_paths_may_be_what_was_asked_for() -> None:
    sources = [(path, root(path)) for path in ("a.txt", "b")]
    assert is_requested(["a.txt"], sources)
    assert is_requested(["b", "x", "y"], sources)
    assert not is_requested(["c"], sources)
    assert not is_requested([], sources)


def test_a_session_that_offers_very_deep_paths_is_answered_soon() -> None:
    parts = ["a"] * 100_000
    assert not is_requested([*parts, "b"], [("**/**/**/*.png", ["*.png"])])
