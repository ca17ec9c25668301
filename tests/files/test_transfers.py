"""Files moved between this computer and real sessions, with and without IPython."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import json
import os
import random
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tci_kernel.core.errors import FileError, InvalidAnswer, TCIError, TransferFailed
from tci_kernel.remote.calls import BEGIN, END
from tci_kernel.remote.upload import PART
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.download import Download
from tci_kernel.transfer.listing import listing, remove
from tci_kernel.transfer.names import path_names
from tci_kernel.transfer.sources import find_sources
from tci_kernel.transfer.upload import Upload
from tests.faults.conftest import MakeSession, client, make_client, make_session
from tests.faults.conftest import service as faulty
from tests.files.conftest import held, run
from tests.support.faulty import SESSION, FaultyServer, answer, hang_up, http, stall
from tests.support.faulty import listing as listed
from tests.support.plain import PlainService

__all__ = ["client", "faulty", "make_client", "make_session"]


async def upload(session: RemoteSession, *paths: str, to: str = ".") -> Upload:
    transfer = Upload(session, find_sources(paths), to)
    await transfer.run()
    return transfer


async def download(session: RemoteSession, *paths: str, **options: Any) -> Download:
    transfer = Download(session, paths, **options)
    await transfer.run()
    return transfer


def tree(root: Path) -> dict[str, bytes | None]:
    """Make a directory of all sorts of files; gives what it holds."""
    data = random.Random(1).randbytes(300_000)
    for name, content in {
        "text.txt": "příliš 🐎\n".encode(),
        "windows.txt": b"a\r\nb\r\n",
        "nul": b"\0",
        "bom": b"\xef\xbb\xbfx",
        "empty": b"",
        "large.bin": data,
        "exact.bin": data[: 2 * 65_536],
        "large.txt": ("ž" * 100_001).encode(),
        "a b/-rf": b"-rf",
        "a b/--": b"--",
        "a b/ž 🐎\n": b"newline",
        "a b/c/d": b"deep",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "hollow" / "inner").mkdir(parents=True)
    return held(root)


@pytest.fixture(params=["session", "plain_session"])
def any_session(request: pytest.FixtureRequest) -> RemoteSession:
    chosen: RemoteSession = request.getfixturevalue(request.param)
    return chosen


async def test_a_directory_goes_there_and_comes_back(
    any_session: RemoteSession, here: Path, there: Path
) -> None:
    sent = tree(here / "tree")
    transfer = await upload(any_session, "tree")
    assert held(there / "tree") == sent
    assert transfer.done == transfer.total == sum(len(data or b"") for data in sent.values())
    fetched = await download(any_session, "tree", to="back/")
    assert held(here / "back" / "tree") == sent
    assert fetched.sizes == transfer.sizes
    assert fetched.done == transfer.total
    await download(any_session, "tree", to="renamed")
    assert held(here / "renamed") == sent
    await download(any_session, "tree/*.txt", "tree/nul", to="some")
    assert set(held(here / "some")) == {"text.txt", "windows.txt", "large.txt", "nul"}


async def test_uploads_are_flat_bounded_and_leave_nothing_but_the_files(
    plain: PlainService, plain_session: RemoteSession, here: Path, there: Path
) -> None:
    tree(here / "tree")
    await upload(plain_session, "tree", to="deep/er")
    names = [file["name"] for file in plain.files]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(PART + r"[0-9a-f]{16}-\d+", name) for name in names)
    for request in plain.requests:
        assert sum(len(file["content"]) for file in request.get("files", [])) <= 65_536 * 4 / 3 + 4
    # Small files share a request: the helper, the preparation, and what the bytes need.
    assert len(plain.requests) < 20
    texts = {file["content"] for file in plain.files if file["encoding"] == "string"}
    assert "příliš 🐎\n" in texts
    assert not any("\r" in text or "\0" in text for text in texts)
    assert {name.partition("/")[0] for name in held(there)} == {"deep"}
    assert not [name for name in held(there) if "tci" in name]


async def test_the_code_may_have_gone_elsewhere(
    any_session: RemoteSession, here: Path, there: Path
) -> None:
    (here / "x").write_text("x")
    (there / "deeper").mkdir()
    await run(any_session, "import os; os.chdir('deeper')")
    await upload(any_session, "x")
    assert held(there) == {"deeper": None, "deeper/x": b"x"}
    assert (await listing(any_session))[0] == str(there / "deeper")


async def test_a_working_directory_that_is_gone_is_named(
    any_session: RemoteSession, here: Path, there: Path
) -> None:
    (here / "x").write_text("x")
    (there / "gone").mkdir()
    await run(any_session, "import os; os.chdir('gone'); os.rmdir('../gone')")
    for attempt in (upload(any_session, "x"), download(any_session, "x")):
        with pytest.raises(FileError, match="working directory is gone"):
            await attempt
    await run(any_session, f"os.chdir({str(there)!r})")
    (there / "gone").mkdir()
    os.chdir(there / "gone")
    (there / "gone").rmdir()
    with pytest.raises(FileError, match="can't be looked for"):
        find_sources(["x"])
    os.chdir(here)


async def test_where_the_parts_are_not_found_the_user_reads_what_to_do(
    plain_session: RemoteSession, here: Path, there: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (here / "x").write_text("x")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    plain_session.use_helper = False  # which says at the beginning where that was
    await run(plain_session, f"import os; os.chdir({str(elsewhere)!r})")
    with pytest.raises(TransferFailed, match=r"os.chdir\(\) back"):
        await upload(plain_session, "x")
    assert held(elsewhere) == {}


async def test_what_is_there_is_replaced_and_links_stay(
    session: RemoteSession, here: Path, there: Path
) -> None:
    (here / "x").write_text("new")
    (there / "real").write_text("old")
    (there / "x").symlink_to("real")
    (here / "x").chmod(0o755)
    await upload(session, "x")
    assert (there / "x").is_symlink()
    assert (there / "real").read_text() == "new"
    assert os.access(there / "real", os.X_OK)


async def test_what_is_in_the_way_in_the_session_is_said_before_anything_is_sent(
    plain: PlainService, plain_session: RemoteSession, here: Path, there: Path
) -> None:
    tree(here / "tree")
    (there / "tree" / "nul").mkdir(parents=True)
    before = held(there)
    with pytest.raises(FileError, match="nul' is there already, and is not a file"):
        await upload(plain_session, "tree")
    assert plain.files == []
    assert held(there) == before


@pytest.mark.parametrize("force", [False, True])
async def test_what_is_in_the_way_here_is_said_before_anything_is_fetched(
    plain: PlainService, plain_session: RemoteSession, here: Path, there: Path, force: bool
) -> None:
    tree(there / "tree")
    (here / "tree").mkdir()
    (here / "tree" / "text.txt").write_text("mine")
    if force:
        (here / "tree" / "nul").mkdir()
    before = held(here)
    with pytest.raises(FileError, match="is there already"):
        await download(plain_session, "tree", force=force)
    assert held(here) == before
    assert "'read'" not in "".join(request["code"] for request in plain.requests[1:])


async def test_force_replaces(session: RemoteSession, here: Path, there: Path) -> None:
    (there / "x").write_text("new")
    (here / "x").write_text("old")
    await download(session, "x", force=True)
    assert held(here) == {"x": b"new"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing", "There is no 'missing'"),
        ("*.missing", "Nothing matches"),
        ("pipe", "is a pipe, not a file"),
        ("/dev/zero", "is a device, not a file"),
        ("broken", "leads nowhere"),
        ("loop", "leads back to itself"),
    ],
)
async def test_what_can_not_be_fetched_is_named(
    session: RemoteSession, here: Path, there: Path, path: str, words: str
) -> None:
    os.mkfifo(there / "pipe")
    (there / "broken").symlink_to("nowhere")
    (there / "loop").symlink_to("loop")
    with pytest.raises(FileError, match=words):
        await download(session, path)
    assert held(here) == {}


async def test_listing_names_and_removing(session: RemoteSession, here: Path, there: Path) -> None:
    names = {name.partition("/")[0] for name in tree(there / "tree")}
    place, entries = await listing(session, "tree")
    assert place == str(there / "tree")
    assert [entry.name for entry in entries] == sorted(names)
    assert await path_names(session, "tree/e") == ["tree/empty", "tree/exact.bin"]
    with pytest.raises(FileError, match="add -r"):
        await remove(session, ["tree"], recursive=False)
    assert await remove(session, ["tree"], recursive=True) == 1
    assert held(there) == {}


async def test_without_a_session_nothing_is_asked_and_none_is_begun(
    faulty: FaultyServer, make_session: MakeSession
) -> None:
    session = make_session(faulty.base_url)
    with pytest.raises(FileError, match="There is no session yet"):
        await listing(session)
    with pytest.raises(FileError, match="There is no session yet"):
        await remove(session, ["x"], recursive=False)
    assert await path_names(session, "x") == []
    assert faulty.requests == []


async def test_a_full_disk_in_the_session_leaves_nothing(
    session: RemoteSession, here: Path, there: Path
) -> None:
    (here / "small").write_text("small")
    (here / "z-large").write_bytes(bytes(500_000))
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({}, r.RLIM_INFINITY))"
    await run(session, limit.format(200_000))
    with pytest.raises(TransferFailed) as caught:
        await upload(session, "small", "z-large", to="new")
    assert os.strerror(errno.EFBIG) in str(caught.value)
    assert "1 of 2 files are there" in str(caught.value)
    assert held(there) == {"new": None, "new/small": b"small"}
    with pytest.raises(TransferFailed, match="has not been written"):
        await upload(session, "z-large", to="other")
    assert held(there) == {"new": None, "new/small": b"small"}
    await run(session, limit.format("r.RLIM_INFINITY"))
    await upload(session, "z-large")
    assert (there / "z-large").stat().st_size == 500_000


async def test_a_file_that_changes_under_way_is_noticed_here(
    session: RemoteSession, here: Path, there: Path
) -> None:
    (here / "x").write_bytes(bytes(300_000))
    sources = find_sources(["x"])
    (here / "x").write_bytes(bytes(300_001))
    with pytest.raises(TransferFailed, match="changed while it was read"):
        await Upload(session, sources).run()
    assert held(there) == {}


async def test_a_file_that_changes_under_way_is_noticed_there(
    session: RemoteSession, here: Path, there: Path
) -> None:
    (there / "a").write_bytes(b"small")
    (there / "x").write_bytes(bytes(2_000_000))
    transfer = Download(session, ["*"], "new")
    running = asyncio.create_task(transfer.run())
    while transfer.done == 0:  # noqa: ASYNC110 - progress raises no event
        await asyncio.sleep(0)
    (there / "x").write_bytes(bytes(2_000_001))
    with pytest.raises(TransferFailed, match="x' changed while"):
        await running
    assert held(here) == {"new": None, "new/a": b"small"}


# -- a session that is not to be trusted -----------------------------------------------------


def says(value: Any) -> Any:
    """The answer of a session in which a program returned something."""
    return answer(("stdout", BEGIN + json.dumps({"value": value}) + END))


def survey(*parts: Any, size: Any = 1) -> dict[str, Any]:
    files = [[part, "/remote", [size, 0, 0, 0], False] for part in parts]
    return {"files": files, "directories": [], "left_out": []}


@pytest.fixture
def liar(faulty: FaultyServer, make_session: MakeSession) -> RemoteSession:
    session = make_session(faulty.base_url)
    session.attach(SESSION)
    return session


@pytest.mark.parametrize(
    "found",
    [
        survey(["..", "x"]),
        survey(["/etc/x"]),
        survey(["a/../../x"]),
        survey([""]),
        survey(["nul\0"]),
        survey([7]),
        survey("text"[:0] or 7),
        survey(["x"], size="large"),
        survey(["x"], size=-1),
        {"files": [], "left_out": []},
        {**survey(), "directories": [["..", "x"]]},
        [],
        None,
        7,
    ],
    ids=str,
)
async def test_names_that_lead_out_are_not_taken(
    liar: RemoteSession, faulty: FaultyServer, here: Path, found: Any
) -> None:
    faulty.play(says(found))
    with pytest.raises(InvalidAnswer):
        await download(liar, "x")
    assert len(faulty.executions) == 1
    assert held(here.parent) == {"here": None}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("plot.png", survey([".git", "hooks", "pre-commit"])),
        ("plot.png", survey(["plot.png"], ["other"])),
        ("*.png", survey([".png"])),
        ("data", {**survey(), "directories": [["data"], [".ssh"]]}),
    ],
    ids=str,
)
async def test_what_was_not_asked_for_does_not_arrive(
    liar: RemoteSession, faulty: FaultyServer, here: Path, asked: str, found: Any
) -> None:
    faulty.play(says(found))
    with pytest.raises(InvalidAnswer, match="was not asked for"):
        await download(liar, asked, force=True)
    assert len(faulty.executions) == 1
    assert held(here) == {}


def piece(data: bytes) -> list[str]:
    return [base64.b64encode(data).decode(), hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize(
    "read",
    [
        [piece(b"too long")],
        [piece(b"")],
        [["!!!!", "0"]],
        [[piece(b"x")[0], "0" * 64]],
        [["eA=="]],
        [],
        [piece(b"x"), piece(b"x")],
        {"0": 0},
        None,
    ],
    ids=str,
)
async def test_pieces_that_are_not_what_was_asked_for_are_not_written(
    liar: RemoteSession, faulty: FaultyServer, here: Path, read: Any
) -> None:
    faulty.play(says(survey(["x"])), says(read))
    with pytest.raises((InvalidAnswer, TransferFailed)):
        await download(liar, "x", to="new/")
    assert held(here) == {}


async def test_a_whole_that_differs_from_its_pieces_is_not_written(
    liar: RemoteSession, faulty: FaultyServer, here: Path
) -> None:
    size = liar.transfer_size + 1
    first, last = piece(bytes(size - 1)), piece(b"\0")
    faulty.play(says(survey(["x"], size=size)), says([first]), says([last]), says("0" * 64))
    with pytest.raises(TransferFailed, match="did not arrive as it is"):
        await download(liar, "x")
    assert held(here) == {}
    faulty.play(
        says(survey(["x"], size=size)),
        says([first]),
        says([last]),
        says(hashlib.sha256(bytes(size)).hexdigest()),
    )
    await download(liar, "x")
    assert held(here) == {"x": bytes(size)}


@pytest.mark.parametrize(
    "found",
    [None, {"targets": ["x"]}, {"targets": ["x"], "made": []}, {"targets": [], "made": []}, 7],
)
async def test_an_odd_answer_to_an_upload_ends_it(
    liar: RemoteSession, faulty: FaultyServer, here: Path, found: Any
) -> None:
    (here / "x").write_text("x")
    faulty.play(says(found))
    with pytest.raises(InvalidAnswer):
        await upload(liar, "x")
    assert len(faulty.executions) == 1


async def test_odd_answers_to_smaller_questions_are_said(
    liar: RemoteSession, faulty: FaultyServer
) -> None:
    for answered in (None, {"path": "x"}, {"path": "x", "entries": [["too", "short"]]}, [1]):
        faulty.play(says(answered))
        with pytest.raises(InvalidAnswer):
            await listing(liar)
        assert await path_names(liar, "") in ([], ["x"])
    faulty.play(says("many"))
    with pytest.raises(InvalidAnswer):
        await remove(liar, ["x"], recursive=False)
    faulty.play(http(500, ""))
    assert await path_names(liar, "") == []


async def test_a_full_disk_there_is_said_with_what_to_do(
    liar: RemoteSession, faulty: FaultyServer
) -> None:
    failed = {"code": "exception", "text": "OSError: [Errno 28] No space\x1b[2J"}
    faulty.play(answer(("stdout", BEGIN + json.dumps(failed) + END)))
    with pytest.raises(TransferFailed) as caught:
        await remove(liar, ["x"], recursive=False)
    assert str(caught.value) == (
        "In the session: OSError: [Errno 28] No space\\x1b[2J\n"
        "Remove something there, then try again."
    )


# -- transfers that break off ----------------------------------------------------------------

PREPARED = {"targets": ["/work/x"], "stamps": [None], "made": ["/work"]}


async def test_after_a_lost_connection_the_rest_is_removed_and_nothing_is_sent_again(
    liar: RemoteSession, faulty: FaultyServer, here: Path
) -> None:
    (here / "x").write_bytes(bytes(10))
    faulty.play(says(PREPARED), hang_up(), says(None))
    with pytest.raises(TCIError, match="The file has not been written"):
        await upload(liar, "x")
    sent = [request.json() for request in faulty.executions]
    assert [len(request.get("files", [])) for request in sent] == [0, 1, 0]
    assert "discard" in sent[2]["code"]
    assert "/work/x" in sent[2]["code"]


async def test_a_session_that_expires_under_way_is_not_begun_anew(
    liar: RemoteSession, faulty: FaultyServer, here: Path
) -> None:
    (here / "x").write_bytes(bytes(10))
    faulty.listed = listed()
    faulty.play(says(PREPARED), http(404, "{}"), says(None))
    with pytest.raises(TCIError, match="has expired"):
        await upload(liar, "x")
    assert len(faulty.executions) == 2


async def test_a_clean_up_that_hangs_is_given_up(
    liar: RemoteSession, faulty: FaultyServer, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tci_kernel.transfer.blocks.CLEAN_UP_LIMIT", 0.2)
    (here / "x").write_bytes(bytes(10))
    faulty.play(says(PREPARED), http(500, ""), stall(threading.Event()))
    with pytest.raises(TCIError, match="HTTP 500"):
        await upload(liar, "x")


async def test_a_request_that_is_too_large_can_be_made_smaller(
    plain: PlainService, plain_session: RemoteSession, here: Path, there: Path
) -> None:
    (here / "x").write_bytes(random.Random(2).randbytes(1_000_000))
    plain.max_body = 500_000
    plain_session.transfer_size = 1_000_000
    with pytest.raises(TCIError, match="HTTP 413"):
        await upload(plain_session, "x")
    assert held(there) == {}
    plain_session.transfer_size = 300_000
    await upload(plain_session, "x")
    assert held(there) == held(here)


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda name: name not in (".", "..", ".git", ".gitignore"))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None
)
@given(files=st.dictionaries(NAMES, st.binary(), min_size=1, max_size=8))
async def test_any_name_and_content_survives(
    plain_session: RemoteSession, here: Path, there: Path, files: dict[str, bytes]
) -> None:
    name = hashlib.sha256(repr(files).encode()).hexdigest()
    (here / name).mkdir(exist_ok=True)
    for file, data in files.items():
        (here / name / file).write_bytes(data)
    await upload(plain_session, name)
    assert held(there / name) == files
    await download(plain_session, name, to="back/", force=True)
    assert held(here / "back" / name) == files
