"""The programs that work on files in the session, run as the code that they are."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.remote import files, names, upload
from tci_kernel.remote.failure import BROKEN, REFUSED, Failure

TOKEN = "token"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the session."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def fill(root: Path, *names: str) -> None:
    """Make files that hold their names; a name that ends in a slash is a directory's."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text(name)


def held(directory: Path) -> list[str]:
    """The names in a directory."""
    return sorted(path.name for path in directory.iterdir())


def found(*sources: str, root: list[str] | None = None) -> dict[str, str]:
    """What a survey finds: where each file goes, and what is in it."""
    answer = files.main(
        "survey", sources=[[source, root or [Path(source).name]] for source in sources]
    )
    return {"/".join(file.parts): Path(file.path).read_text() for file in answer["files"]}


def refusal(operation: Any, **arguments: Any) -> str:
    with pytest.raises(Failure) as caught:
        operation(**arguments)
    assert caught.value.code == REFUSED
    return str(caught.value)


# -- surveys ---------------------------------------------------------------------------------


def test_files_directories_and_patterns_are_found(here: Path) -> None:
    fill(here, "a.txt", "b.txt", "d/e/f.txt", "d/empty/", "d/.hidden", "x/y.txt", "[odd].txt")
    assert found("a.txt") == {"a.txt": "a.txt"}
    assert found("d") == {"d/.hidden": "d/.hidden", "d/e/f.txt": "d/e/f.txt"}
    assert set(found("*.txt")) == {"a.txt", "b.txt", "[odd].txt"}
    assert set(found("**/*.txt")) == {"a.txt", "b.txt", "[odd].txt", "d/e/f.txt", "x/y.txt"}
    assert set(found("*/*.txt")) == {"x/y.txt"}
    assert set(found("d/*")) == {"e/f.txt"}
    # A name that is there is no pattern.
    assert found("[odd].txt") == {"[odd].txt": "[odd].txt"}
    directories = files.main("survey", sources=[["d", ["new"]]])["directories"]
    assert directories == [["new"], ["new", "e"], ["new", "empty"]]


def test_what_two_patterns_find_is_taken_once(here: Path) -> None:
    fill(here, "d/a", "d/b")
    assert set(found("d/**", "d/a*")) == {"a", "b"}


def test_two_files_of_one_name_are_refused(here: Path) -> None:
    fill(here, "a/x", "b/x")
    said = refusal(files.survey, sources=[["a/x", ["x"]], ["b/x", ["x"]]])
    assert "would both become 'x'" in said


def test_links_are_followed_to_files_and_named_where_they_lead_astray(here: Path) -> None:
    fill(here, "file", "d/e/deep")
    for name, target in {
        "d/good": "../file",
        "d/broken": "nowhere",
        "d/loop": "loop",
        "d/up": "..",
        "d/root": "/",
    }.items():
        (here / name).symlink_to(target)
    answer = files.survey([["d", ["d"]]])
    assert ["/".join(file.parts) for file in answer["files"]] == ["d/e/deep", "d/good"]
    named = "\n".join(answer["left_out"])
    for words in ("broken' is a link that leads nowhere", "loop' is a link that leads back"):
        assert words in named
    assert named.count("is a link to a directory") == 2
    # Who names a link means what it leads to.
    assert found("d/good") == {"good": "file"}
    (here / "link").symlink_to("d/e")
    assert found("link") == {"link/deep": "d/e/deep"}
    assert "leads nowhere" in refusal(files.survey, sources=[["d/broken", []]])
    assert "leads back to itself" in refusal(files.survey, sources=[["d/loop", []]])


def test_what_is_no_file_is_named(here: Path) -> None:
    fill(here, "d/file")
    os.mkfifo(here / "d/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("d/socket")
        assert "is a socket" in refusal(files.survey, sources=[["d/socket", []]])
        answer = files.survey([["d", []]])
    assert [file.parts for file in answer["files"]] == [["file"]]
    assert len(answer["left_out"]) == 2
    assert "is a pipe, not a file" in refusal(files.survey, sources=[["d/pipe", []]])
    assert "is a device, not a file" in refusal(files.survey, sources=[["/dev/null", []]])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("missing", "There is no 'missing'"),
        ("*.missing", "Nothing matches '*.missing'"),
        ("file/below", "There is no 'file/below'"),
        ("nul\0", "no path"),
        ("x" * 300, "can't be looked at"),
        ("*/../../other", "leads out"),
        ("", "There is no ''"),
    ],
)
def test_what_can_not_be_found_is_refused(here: Path, source: str, words: str) -> None:
    fill(here, "file", "d/", "../other")
    assert words in refusal(files.survey, sources=[[source, []]])


def test_what_may_not_be_read_is_refused(unprivileged: Path) -> None:
    (unprivileged / "secret").touch(0o000)
    (unprivileged / "closed").mkdir(0o000)
    sources = {name: [[str(unprivileged / name), []]] for name in ("secret", "closed")}
    assert "no permission to read" in refusal(files.survey, sources=sources["secret"])
    assert "can't be looked into" in refusal(files.survey, sources=sources["closed"])
    assert "can't be looked at" in refusal(
        files.survey, sources=[[str(unprivileged / "closed" / "x"), []]]
    )


# -- reading ---------------------------------------------------------------------------------


def test_pieces_and_hashes_are_of_the_file_that_was_found(here: Path) -> None:
    (here / "data").write_bytes(bytes(range(256)))
    (file,) = files.survey([["data", []]])["files"]
    ((data, digest),) = files.read([[file.path, file.stamp, 10, 20]])
    assert base64.b64decode(data) == bytes(range(10, 30))
    assert digest == hashlib.sha256(bytes(range(10, 30))).hexdigest()
    assert files.digest(file.path, file.stamp) == hashlib.sha256(bytes(range(256))).hexdigest()


@pytest.mark.parametrize("change", ["longer", "another", "touched"])
def test_a_file_that_changes_is_noticed(here: Path, change: str) -> None:
    path = here / "data"
    path.write_text("before")
    (file,) = files.survey([["data", []]])["files"]
    if change == "longer":
        path.write_text("before and after")
    elif change == "another":
        (here / "other").write_text("before")
        (here / "other").replace(path)
    else:
        os.utime(path, (1, 1))
    for attempt in (
        lambda: files.read([[file.path, file.stamp, 0, 6]]),
        lambda: files.digest(file.path, file.stamp),
    ):
        with pytest.raises(Failure, match="changed while") as caught:
            attempt()
        assert caught.value.code == BROKEN


# -- listing, names, removing ----------------------------------------------------------------


def test_a_listing_is_sorted_and_says_what_everything_is(here: Path) -> None:
    fill(here, "b", "a/")
    (here / "link").symlink_to("b")
    (here / "lost").symlink_to("nowhere")
    answer = files.main("listing", path=".")
    assert answer["path"] == str(here)
    rows = [(name, kind, target) for name, kind, _, _, target in answer["entries"]]
    assert rows == [
        ("a", "directory", None),
        ("b", "file", None),
        ("link", "file", "b"),
        ("lost", "broken link", "nowhere"),
    ]
    assert [row[0] for row in files.listing("b")["entries"]] == ["b"]
    assert refusal(files.listing, path="c") == f"There is no 'c' in {here}."
    assert refusal(files.listing, path="/etc/nope") == "There is no '/etc/nope'."
    assert refusal(files.listing, path="~/no such") == "There is no '~/no such'."


def test_names_begin_with_what_was_typed(here: Path) -> None:
    fill(here, "data/one.csv", "data/two/", "date")
    assert names.paths("da") == ["data/", "date"]
    assert names.paths("data/") == ["data/one.csv", "data/two/"]
    assert names.paths("./data/o") == ["./data/one.csv"]
    assert names.paths("nowhere/") == names.paths("nul\0/") == []


def test_removing_takes_files_links_and_with_r_directories(here: Path) -> None:
    fill(here, "a", "b", "-rf", "d/e", "d/f", "kept")
    (here / "link").symlink_to("kept")
    (here / "to-root").symlink_to("/")
    assert files.remove(["a", "-rf", "link", "to-root"], recursive=False) == 4
    assert "add -r" in refusal(files.remove, paths=["b", "d"], recursive=False)
    assert (here / "b").exists()
    assert files.remove(["d", "d/e", "b*"], recursive=True) == 3
    assert held(here) == ["kept"]
    assert "There is no 'a'" in refusal(files.remove, paths=["kept", "a"], recursive=False)
    assert "There is no '*.x'" in refusal(files.remove, paths=["*.x"], recursive=False)
    assert held(here) == ["kept"]


@pytest.mark.parametrize("path", [".", "..", "/", "~", "../work", "inner/.."])
def test_what_is_hardly_meant_is_not_removed(
    here: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = here.parent / "home"
    fill(here, "inner/")
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert "is not removed" in refusal(files.remove, paths=[path], recursive=True)
    assert home.exists()
    assert (here / "inner").exists()


# -- putting together ------------------------------------------------------------------------


def part(target: Path, data: bytes, offset: int = 0, whole: bytes | None = None) -> dict[str, Any]:
    """A part that has arrived in the working directory."""
    name = f"{upload.PART}{TOKEN}-{offset}" if data else None
    if name:
        Path(name).write_bytes(data)
    return {
        "name": name,
        "target": str(target),
        "offset": offset,
        "sha256": hashlib.sha256(data).hexdigest(),
        "whole": None if whole is None else hashlib.sha256(whole).hexdigest(),
        "executable": False,
        "replaces": True,
    }


def test_parts_become_files_wherever_the_code_has_gone(here: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    upload.main("receive", token=TOKEN, parts=[part(target, b"one, ")])
    assert not target.exists()
    last = part(target, b"two", 5, b"one, two")
    (here / "deeper").mkdir()
    os.chdir("deeper")
    upload.receive(TOKEN, [last, part(here / "empty", b"", 0, b"")])
    assert target.read_bytes() == b"one, two"
    assert (here / "empty").read_bytes() == b""
    assert held(here) == ["deeper", "empty"]
    assert held(tmp_path) == ["target", "work"]


def test_a_script_can_be_run_where_it_arrives(here: Path) -> None:
    script = here / "script"
    upload.receive(TOKEN, [{**part(script, b"x", 0, b"x"), "executable": True}])
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("fault", ["hash", "whole", "offset", "lost", "target"])
def test_of_parts_that_do_not_fit_nothing_is_left(here: Path, fault: str) -> None:
    target = here / "target"
    target.write_text("before")
    good = part(target, b"data", 0, b"data")
    if fault == "lost":
        Path(good["name"]).unlink()
    elif fault == "target":
        good["target"] = str(here / "nowhere" / "target")
    else:
        wrong = {"hash": ("sha256", "0"), "whole": ("whole", "0"), "offset": ("offset", 3)}
        field, value = wrong[fault]
        good[field] = value
    with pytest.raises((Failure, OSError)):
        upload.receive(TOKEN, [good])
    assert held(here) == ["target"]
    assert target.read_text() == "before"


def test_preparing_makes_directories_or_changes_nothing(here: Path) -> None:
    fill(here, "file", "d/")
    (here / "link").symlink_to("file")
    os.mkfifo("pipe")
    prepared = upload.main("prepare", to="new/er", directories=[["x"], ["x", "y"]], targets=[["z"]])
    assert prepared["targets"] == [str(here / "new/er/z")]
    assert (here / "new/er/x/y").is_dir()
    upload.discard(TOKEN, [], prepared["made"])
    assert not (here / "new").exists()
    # A link that leads to a file stays one.
    assert upload.prepare(".", [], [["link"]])["targets"] == [str(here / "file")]
    for to, directories, targets in (
        ("new", [], [["..", "d"]]),
        ("new", [], [["..", "pipe"]]),
        ("file", [], []),
        ("new", [["x"], ["..", "file", "x"]], []),
        ("/proc/new", [], []),
    ):
        refusal(upload.prepare, to=to, directories=directories, targets=targets)
        assert not (here / "new").exists()


def test_where_nothing_may_be_written_is_said_before_it_is_tried(unprivileged: Path) -> None:
    (unprivileged / "closed").mkdir(0o500)
    closed = str(unprivileged / "closed")
    assert "no permission to write" in refusal(
        upload.prepare, to=closed, directories=[], targets=[["file"]]
    )
    assert "can't be made" in refusal(upload.prepare, to=closed, directories=[["new"]], targets=[])


NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)


@given(st.lists(NAMES, unique=True, max_size=4), NAMES)
def test_any_names_that_a_file_system_takes_are_found_and_written(
    chosen: list[str], directory: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        prepared = upload.prepare(place, [[directory]], [[directory, name] for name in chosen])
        for name, target in zip(chosen, prepared["targets"], strict=True):
            upload.receive(TOKEN, [part(Path(target), name.encode(), 0, name.encode())])
        answer = files.survey([[str(root / directory), ["d"]]])
        assert {file.parts[-1] for file in answer["files"]} == set(chosen)
        assert files.remove([str(root / directory)], recursive=True) == 1
