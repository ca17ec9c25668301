"""Files that scripts move to sessions and from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tci_kernel.api.sync_session import Session
from tci_kernel.core.errors import FileError


@pytest.fixture(params=["exchange", "relay", "direct"])
def session(
    request: pytest.FixtureRequest, sessions: dict[str, Session], tmp_path: Path
) -> Session:
    """A session that works in the directory `there`."""
    shared = sessions[request.param]
    (tmp_path / "there").mkdir()
    shared.run(f"import os; os.chdir({str(tmp_path / 'there')!r})").raise_for_error()
    return shared


def test_files_go_there_are_listed_come_back_and_are_removed(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.txt").write_text("hello")
    (data / "b.bin").write_bytes(bytes(range(256)))

    sent = session.upload(data, to="in", exclude=["*.bin"])

    assert (sent.sizes, sent.left_out, sent.there) == ({"data/a.txt": 5}, [], [])
    assert session.run("print(open('in/data/a.txt').read())").stdout == "hello\n"
    (entry,) = session.files("in/data")
    assert (entry.name, entry.kind, entry.size) == ("a.txt", "file", 5)
    got = session.download("in/data", to=tmp_path / "back/")
    assert got.sizes == {"a.txt": 5}
    assert (tmp_path / "back" / "a.txt").read_text() == "hello"
    assert session.remove("in", recursive=True) == 1
    assert session.files() == []


def test_what_cannot_be_moved_is_an_exception_and_nothing_changes(
    session: Session, tmp_path: Path
) -> None:
    mine = tmp_path / "a.txt"
    mine.write_text("mine")
    session.run("open('a.txt', 'w').write('theirs')").raise_for_error()

    with pytest.raises(FileError, match=r"absent"):
        session.upload("absent")
    with pytest.raises(FileError, match=r"absent"):
        session.download("absent")
    with pytest.raises(FileError, match=r"is there already"):
        session.download("a.txt", to=mine)
    assert mine.read_text() == "mine"
    session.download("a.txt", to=mine, force=True)
    assert mine.read_text() == "theirs"


def test_files_of_a_session_that_works_here_are_not_copied_onto_themselves(
    sessions: dict[str, Session], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    local = sessions["local"]
    back = local.run("import os; print(os.getcwd())").stdout.strip()
    local.run(f"os.chdir({str(tmp_path)!r})").raise_for_error()
    try:
        sent = local.upload(tmp_path / "a.txt")
    finally:
        local.run(f"os.chdir({back!r})").raise_for_error()

    assert (sent.sizes, sent.there) == ({}, ["a.txt"])
