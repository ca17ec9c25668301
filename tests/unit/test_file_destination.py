"""Where downloads go: never outside, never over what is there, never in part."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.core.errors import FileError, InvalidAnswer, TransferFailed
from tci_kernel.transfer.blocks import as_file
from tci_kernel.transfer.destination import Arriving, Destination, check_component
from tci_kernel.transfer.transfer import OVERHEAD, batches


@pytest.mark.parametrize("part", ["", ".", "..", "../x", "/etc", "a/b", "nul\0"])
def test_a_name_that_leads_elsewhere_is_not_taken(part: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidAnswer):
        Destination(tmp_path, force=True).path_of(["inner", part])


@pytest.mark.parametrize(
    "part",
    [
        "C:",
        "C:x",
        "C:\\x",
        "\\\\host\\share",
        "..\\x",
        "a\\b",
        "NUL",
        "com1.txt",
        "x.",
        "x ",
        "a:b",
    ],
)
def test_on_windows_neither_are_drives_and_devices(part: str) -> None:
    check_component(part, windows=False)
    with pytest.raises(InvalidAnswer):
        check_component(part, windows=True)


@given(st.lists(st.text(), min_size=1))
def test_whatever_the_names_everything_stays_inside(parts: list[str]) -> None:
    base = Path("/some/where")
    try:
        path = Destination(base, force=False).path_of(parts)
    except (InvalidAnswer, FileError):
        return
    assert base in Path(os.path.normpath(path)).parents


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "out").symlink_to(tmp_path)
    (base / "in").symlink_to(".")
    (base / "loop").symlink_to("loop")
    destination = Destination(base, force=True)
    assert destination.path_of(["in", "x"]) == base / "in" / "x"
    for name in ("out", "loop"):
        with pytest.raises(FileError):
            destination.check_file(destination.path_of([name, "x"]))


def test_what_is_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    careful, forced = (Destination(tmp_path, force=force) for force in (False, True))
    for name in ("file", "directory", "link", "pipe"):
        with pytest.raises(FileError, match="is there already"):
            careful.check_file(tmp_path / name)
    for name in ("directory", "pipe"):
        with pytest.raises(FileError, match="not a file"):
            forced.check_file(tmp_path / name)
    forced.check_file(tmp_path / "file")
    forced.check_file(tmp_path / "link")
    for path in (tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(FileError):
            forced.check_file(path)
    with pytest.raises(FileError, match="needed as a directory"):
        forced.check_directory(tmp_path / "file")


def test_where_nothing_may_be_written_is_said_before_it_is_tried(unprivileged: Path) -> None:
    closed = unprivileged / "closed"
    closed.mkdir(0o500)
    destination = Destination(closed, force=True)
    for attempt in (destination.check_file, destination.check_directory):
        with pytest.raises(FileError, match="no permission to write"):
            attempt(closed / "new" / "file")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    arriving = Arriving(path, force=False)
    arriving.write(b"half ")
    assert not path.exists()
    arriving.write(b"and half")
    arriving.finish()
    arriving.discard()
    assert path.read_bytes() == b"half and half"
    assert arriving.sha256.digest() == hashlib.sha256(b"half and half").digest()
    late = Arriving(path, force=False)
    late.write(b"other")
    with pytest.raises(TransferFailed, match="File exists"):
        late.finish()
    late.discard()
    assert path.read_bytes() == b"half and half"
    forced = Arriving(path, force=True)
    forced.finish()
    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_is_replaced_leaves_alone_what_it_led_to(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "link").symlink_to("kept")
    arriving = Arriving(tmp_path / "link", force=True)
    arriving.write(b"new")
    arriving.finish()
    assert (tmp_path / "kept").read_text() == "kept"
    assert not (tmp_path / "link").is_symlink()


def test_directories_that_were_made_go_again_unless_something_is_in_them(tmp_path: Path) -> None:
    destination = Destination(tmp_path / "new", force=False)
    destination.make(tmp_path / "new" / "a" / "b")
    destination.begin(tmp_path / "new" / "c" / "file").finish()
    destination.discard()
    assert sorted(tmp_path.rglob("*")) == [
        tmp_path / "new",
        tmp_path / "new" / "c",
        tmp_path / "new" / "c" / "file",
    ]


@given(st.binary())
def test_the_bytes_of_a_file_travel_unchanged(data: bytes) -> None:
    file = as_file("name", data)
    assert file.to_bytes() == data
    if file.encoding == "string":
        assert not set("\r\0\x1b") & set(file.content)
        assert not file.content.startswith("\ufeff")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("plain\n\ttext, žluťoučký 🐎\n".encode(), "string"),
        (b"line\r\n", "base64"),
        (b"nul\0", "base64"),
        (b"\xef\xbb\xbftext", "base64"),
        (b"\xff\xfe", "base64"),
        (b"\x1b[31m", "base64"),
        ("half a letter: ž".encode()[:-1], "base64"),
    ],
)
def test_text_travels_as_text_where_it_surely_survives(data: bytes, encoding: str) -> None:
    assert as_file("name", data).encoding == encoding


@given(st.lists(st.integers(0, 3000)), st.integers(1, 5000))
def test_requests_are_bounded_and_in_order(sizes: list[int], limit: int) -> None:
    groups = list(batches(sizes, limit, lambda size: size))
    assert [size for group in groups for size in group] == sizes
    assert all(groups)
    for group in groups:
        assert len(group) == 1 or sum(group) + len(group) * OVERHEAD <= limit
