"""Files that a request writes into its session's working directory."""

from __future__ import annotations

import base64
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tci_kernel.remote import staging
from tests.server.service import Service, body, rejection, text_file


def test_files_are_there_before_the_code_runs(service: Service, session_id: str) -> None:
    blob = bytes(range(256))
    ran = service.run(
        "print(open('text.txt').read()); print(open('blob', 'rb').read() == bytes(range(256)))",
        session_id,
        text_file("text.txt", "příliš 🐎\r\n"),
        {"name": "blob", "encoding": "base64", "content": base64.b64encode(blob).decode()},
    )
    assert ran.text() == "příliš 🐎\n\nTrue\n"


def test_files_come_with_a_new_session_and_stay(service: Service) -> None:
    session_id = service.run("pass", None, text_file("data.csv", "a,b")).session_id
    assert service.run("print(open('data.csv').read())", session_id).text() == "a,b\n"
    service.end(session_id)


def test_nested_names_make_their_directories(service: Service, own_session: str) -> None:
    ran = service.run(
        "from a.b import c; print(c.VALUE, open('d/e').read())",
        own_session,
        text_file("a/b/c.py", "VALUE = 1"),
        text_file("./d//e", "kept"),
        text_file("d/empty"),
    )
    assert ran.text() == "1 kept\n"


def test_a_file_replaces_what_it_held_before(service: Service, own_session: str) -> None:
    service.run("pass", own_session, text_file("same", "long content"))
    ran = service.run("print(open('same').read())", own_session, text_file("same", "new"))
    assert ran.text() == "new\n"


def test_names_may_be_any_text_that_a_file_system_takes(service: Service, own_session: str) -> None:
    names = ["ž馬🐎", " ", "..a", "a b\n", "-rf", "x" * 255]
    ran = service.run(
        "import os; print(ascii(sorted(os.listdir())))", own_session, *map(text_file, names)
    )
    assert ran.text().strip() == ascii(sorted(names))


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that links in the working directory lead to."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def cluttered(service: Service, outside: Path) -> Iterator[str]:
    """A session whose code has left all sorts of things in its working directory."""
    code = f"""
import os
os.mkdir('directory'); os.mkfifo('pipe'); open('file', 'w').close()
os.symlink('loop', 'loop'); os.symlink('file', 'inside')
os.symlink({str(outside)!r}, 'away'); os.symlink({str(outside / "new")!r}, 'link')
"""
    with service.session() as session_id:
        service.run(code, session_id)
        yield session_id


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("directory", "is not a file"),
        ("pipe", "is not a file"),  # to open it would block the whole server
        ("file/below", "is below a file"),
        ("loop", "can't be written"),
        ("loop/below", "can't be written"),
        ("away/new", "leads out of the working directory"),
        ("link", "leads out of the working directory"),
        ("a/" * 3000 + "a", "File name too long"),
    ],
)
def test_what_code_left_in_the_way_of_a_file_is_a_clear_error(
    service: Service, cluttered: str, outside: Path, name: str, problem: str
) -> None:
    request = body("open('ran', 'w')", cluttered, [text_file("first"), text_file(name, "x")])
    error = rejection(service.post(request), 400)
    assert error["param"] == "files.1.name"
    assert problem in error["message"]
    ran = service.run("[os.path.exists(name) for name in ('first', 'ran')]", cluttered)
    assert ran.outputs[0]["data"]["text/plain"] == "[False, False]"
    assert list(outside.iterdir()) == []


def test_links_within_the_working_directory_are_followed(service: Service, cluttered: str) -> None:
    ran = service.run("print(open('file').read())", cluttered, text_file("inside", "through"))
    assert ran.text() == "through\n"


def test_a_file_that_cannot_be_written_leaves_no_new_session_behind(service: Service) -> None:
    before = service.sessions()
    # Its parts are short enough; only the system knows that the whole is not.
    rejection(service.post(body("1", None, [text_file("a/" * 3000 + "a")])), 400)
    assert service.sessions() == before


def test_a_file_that_cannot_be_written_leaves_all_others_as_they_were(
    service: Service, own_session: str
) -> None:
    service.run("open('old', 'w').write('kept'); import os; os.mkdir('locked')", own_session)
    files = [text_file("old", "lost"), text_file("new/deep", "x"), text_file("locked", "x")]
    rejection(service.post(body("1", own_session, files)), 400)
    ran = service.run("print(open('old').read(), sorted(os.listdir()))", own_session)
    assert ran.text() == "kept ['locked', 'old']\n"


def test_a_full_disk_leaves_all_files_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    files = [
        (PurePosixPath("old"), b"lost"),
        (PurePosixPath("new/deep"), b"x"),
        (PurePosixPath("large"), bytes(200_000)),
    ]
    # No file system of this machine can be filled; a file's own limit fails in the same place.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(staging.Unwritable, match="can't be written: File too large") as caught:
            staging.write(tmp_path, files)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert caught.value.number == 2
    assert (tmp_path / "old").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_file_that_is_replaced_keeps_its_permissions(service: Service, own_session: str) -> None:
    service.run("open('run', 'w'); import os; os.chmod('run', 0o750)", own_session)
    code = "print(oct(os.stat('run').st_mode)[-3:], open('run').read())"
    assert service.run(code, own_session, text_file("run", "new")).text() == "750 new\n"


SWAPPER = """
import os, threading
os.mkdir('real'); os.mkfifo('fifo')
def swap():
    while not os.path.exists('stop'):
        for step in (
            lambda: os.rename('real', 'aside'), lambda: os.symlink({outside!r}, 'real'),
            lambda: os.remove('real'), lambda: os.rename('aside', 'real'),
            lambda: os.link('fifo', 'real/file'), lambda: os.remove('real/file'),
            lambda: os.symlink({outside!r} + '/linked', 'real/file'),
            lambda: os.remove('real/file'),
        ):
            try: step()
            except OSError: pass
threads = [threading.Thread(target=swap) for _ in range(2)]
for thread in threads: thread.start()
"""


def test_links_and_pipes_that_come_meanwhile_are_neither_followed_nor_opened(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    service.run(SWAPPER.format(outside=str(tmp_path)), own_session)
    files = [text_file("real/file", "x"), text_file("real/deep/er", "x")]
    statuses = [service.post(body("1", own_session, files)).status_code for _ in range(300)]
    assert set(statuses) <= {200, 400}
    # What the code itself has put there is no file.
    assert not any(path.is_file() or path.is_dir() for path in tmp_path.iterdir())
    service.run("open('stop', 'w'); [thread.join() for thread in threads]", own_session)
