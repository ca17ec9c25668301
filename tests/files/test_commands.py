"""`%tci upload`, `download`, `ls`, `rm` as somebody uses them, in a real kernel."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.files.conftest import held
from tests.support.counting import CountingProxy, counted
from tests.support.kernels import Answer, KernelDriver, kernel, shown
from tests.support.servers import TOKEN, serving


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernel's working directory."""
    return tmp_path_factory.mktemp("here")


@pytest.fixture(scope="module")
def served(here: Path) -> Iterator[KernelDriver]:
    with kernel("tci-local", "--LocalServer.directory=private", cwd=str(here)) as driver:
        yield driver


@pytest.fixture
def driver(served: KernelDriver, here: Path) -> KernelDriver:
    """The kernel, with nothing at either end."""
    assert served.run("!rm -rf ./* ./.[!.]*").text() == ""
    for path in sorted(here.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    return served


def failure(answer: Answer) -> str:
    """The text of an error, which says no more than the user needs."""
    assert answer.reply["status"] == "error"
    assert len(answer.reply["traceback"]) == 1
    text = f"{answer.reply['ename']}: {answer.reply['evalue']}"
    # A path that is longer stays whole.
    assert all(len(line) < 90 or len(max(line.split(), key=len)) > 60 for line in text.split("\n"))
    return " ".join(text.split())


def left_out(answer: Answer) -> list[str]:
    """What a report says that it has left out, from the last part of each path on."""
    html = answer.only("display_data")["data"]["text/html"]
    said = unescape(html.partition("</p>")[0]).split("<br>")[1:]
    return [line.removeprefix("Left out: ").rpartition("/")[2] for line in said]


def there(driver: KernelDriver) -> set[str]:
    """What is in the session."""
    found = driver.run(
        "import os; print('\\0'.join(os.path.join(d, n) for d, ds, ns in os.walk('.') "
        "for n in (*ds, *ns)), end='')"
    ).text()
    return {name.removeprefix("./") for name in found.split("\0") if name}


def test_a_file_goes_there_and_comes_back(driver: KernelDriver, here: Path) -> None:
    (here / "data.csv").write_text("a,b\n")
    assert shown(driver.run("%tci upload data.csv")).startswith("Uploaded data.csv (4 B) in 0.")
    assert driver.run("print(open('data.csv').read())").text() == "a,b\n\n"
    driver.run("open('result.txt', 'w').write('done')")
    assert shown(driver.run("%tci download result.txt --to out/")).startswith(
        "Downloaded result.txt (4 B) to out/ in 0."
    )
    assert held(here / "out") == {"result.txt": b"done"}
    listed = shown(driver.run("%tci ls")).splitlines()
    assert listed[0].split() == ["Name", "Kind", "Size", "Changed"]
    assert [line.split()[0] for line in listed[1:]] == ["data.csv", "result.txt"]
    assert "Files        2 in /" in shown(driver.run("%tci"))
    assert shown(driver.run("%tci rm data.csv result.txt")) == "Removed 2 files and directories."
    assert shown(driver.run("%tci ls")).startswith("Nothing is in /")


def test_a_directory_is_shown_as_a_table(driver: KernelDriver, here: Path) -> None:
    (here / "d" / "sub" / "empty").mkdir(parents=True)
    (here / "d" / "b.bin").write_bytes(bytes(1500))
    (here / "d" / "a<b>.txt").write_text("x")
    (here / "d" / "skip.log").write_text("x")
    (here / "d" / "sub" / "ignored.tmp").write_text("x")
    (here / "d" / ".gitignore").write_text("*.tmp\n")
    (here / "d" / "lost").symlink_to("nowhere")
    answer = driver.run("%tci upload d --exclude '*.log' --to new/place")
    lines = shown(answer).splitlines()
    assert lines[0].startswith("Uploaded 3 files (1.5 kB) to new/place in ")
    assert left_out(answer) == ["lost' is a link that leads nowhere."]
    assert [line.split() for line in lines[-4:]] == [
        ["Name", "Size"],
        ["d/.gitignore", "6", "B"],
        ["d/a<b>.txt", "1", "B"],
        ["d/b.bin", "1.5", "kB"],
    ]
    assert ">d/a&lt;b&gt;.txt</td>" in answer.only("display_data")["data"]["text/html"]
    assert there(driver) == {
        "new",
        "new/place",
        "new/place/d",
        "new/place/d/sub",
        "new/place/d/sub/empty",
        "new/place/d/.gitignore",
        "new/place/d/a<b>.txt",
        "new/place/d/b.bin",
    }


def test_a_table_has_no_more_rows_than_somebody_reads(driver: KernelDriver, here: Path) -> None:
    (here / "many").mkdir()
    for number in range(1, 1011):
        (here / "many" / f"{number:04}").touch()
    uploaded = shown(driver.run("%tci upload many")).splitlines()
    assert uploaded[0].startswith("Uploaded 1010 files (0 B) in ")
    assert uploaded[-2].split() == ["many/0020", "0", "B"]
    assert uploaded[-1] == "… and 990 more"
    listed = shown(driver.run("%tci ls many")).splitlines()
    assert len(listed) == 1 + 1000 + 1
    assert listed[-1] == "… and 10 more"


def test_odd_names_are_only_names(driver: KernelDriver, here: Path) -> None:
    names = ["a b", "-rf", "--to", "ž 🐎", "x\x1b[2J\n", "*", "$HOME"]
    for name in names:
        (here / name).write_text(name)
    words = " ".join(f"'{name}'" for name in names if "\n" not in name)
    shown(driver.run(f"%tci upload -- {words} x?*"))
    assert there(driver) == set(names)
    assert "x\\x1b[2J\\n" in shown(driver.run("%tci ls"))
    shown(driver.run("%tci download --force -- '-rf' 'a b'"))
    shown(driver.run("%tci rm -- '-rf' '--to' '*'"))
    assert there(driver) == set(names) - {"-rf", "--to", "*"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("upload", "Missing argument 'PATH...'"),
        ("upload missing", "FileError: There is no 'missing' in /"),
        ("upload ''", "FileError: There is no '' in /"),
        ("upload -file", "No such option '-f'. A name that begins with '-' stands behind '--'."),
        ("upload file --to", "Option '--to' requires an argument"),
        ("upload 'file", "Check the quotes."),
        (f"upload {'n' * 300}", "File name too long"),
        ("upload nul\0", "is no path: embedded null byte"),
        ("upload /dev/zero", "'/dev/zero' is a device, not a file"),
        ("upload 'no*match'", "FileError: Nothing matches 'no*match'"),
        ("upload pipe", "is a pipe, not a file"),
        ("upload loop", "leads back to itself"),
        ("upload file inner/file", "would both become 'file'"),
        ("upload file --exclude '!'", "'!' is no pattern"),
        ("upload file --to file/x", "FileError: In the session: "),
        ("download", "Missing argument 'REMOTE...'"),
        ("download missing", "FileError: In the session: There is no 'missing' in /"),
        ("download 'no*match'", "FileError: In the session: Nothing matches 'no*match'"),
        ("download /proc/cpuinfo", "is longer than its size says"),
        ("download directory --to file", "is needed as a directory, and is none"),
        ("download file", "is there already. Replace it with --force."),
        ("download file --to pipe --force", "is there already, and is not a file"),
        ("download file --to file/x", "is needed as a directory, and is none"),
        ("ls missing", "FileError: In the session: There is no 'missing' in /"),
        ("ls /etc/nope", "FileError: In the session: There is no '/etc/nope'."),
        ("ls ~/nope", "FileError: In the session: There is no '~/nope'."),
        ("ls file directory", "unexpected extra argument (directory)"),
        ("rm file missing", "FileError: In the session: There is no 'missing'"),
        ("rm directory", "add -r"),
        ("rm -r .", "is not removed"),
        ("rm -r /", "is not removed"),
        ("rm -r ~", "is not removed"),
    ],
)
def test_mistakes_are_named_and_change_nothing(
    driver: KernelDriver, here: Path, line: str, said: str
) -> None:
    (here / "inner").mkdir()
    (here / "file").write_text("here")
    (here / "inner" / "file").write_text("here")
    (here / "loop").symlink_to("loop")
    os.mkfifo(here / "pipe")
    driver.run("import os; open('file', 'w').write('there'); os.mkdir('directory')")
    assert said in failure(driver.run(f"%tci {line}"))
    assert there(driver) == {"file", "directory"}
    assert (here / "file").read_text() == "here"
    assert {path.name for path in here.iterdir()} == {"inner", "file", "loop", "pipe"}


NOBODY = (
    "import os\nids = os.getresuid()\n"
    "if os.geteuid() == 0: os.setresuid(65534, 65534, 0)\n"  # root may do everything
)


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """A directory with what only its owner may read or look into, and nobody may write to."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    (directory / "closed").mkdir()
    for name in ("secret", "closed/file", "file"):
        (directory / name).touch()
    (directory / "secret").chmod(0)
    (directory / "closed").chmod(0o300)
    directory.chmod(0o555)
    yield directory
    for path in (directory, directory / "closed"):
        path.chmod(0o700)
    shutil.rmtree(directory)


@pytest.mark.parametrize(("place", "reads"), [("%%local\n", "upload"), ("", "download")])
def test_what_is_not_permitted_is_said(
    driver: KernelDriver, here: Path, forbidden: Path, place: str, reads: str
) -> None:
    writes = "download" if reads == "upload" else "upload"
    (here / "file").touch()
    # What they import may lie where only root can read.
    driver.run("%tci upload file\n%tci download file --force")
    lines = {
        f"{reads} {forbidden}/secret": f"There is no permission to read '{forbidden}/secret'.",
        f"{reads} {forbidden}/closed": f"'{forbidden}/closed' can't be looked into: Permission den",
        f"{writes} file --to {forbidden}/": f"no permission to write into '{forbidden}'",
    }
    driver.run(place + NOBODY)
    try:
        said = {line: failure(driver.run(f"%tci {line}")) for line in lines}
        if reads == "download":
            lines["rm"] = f"'{forbidden}/file' can't be removed: Permission denied."
            said["rm"] = failure(driver.run(f"%tci rm {forbidden}/file {forbidden}/secret"))
    finally:
        driver.run(f"{place}os.setresuid(*ids)")
    for line, text in lines.items():
        assert text in said[line]
    assert (forbidden / "secret").exists()


def test_links_are_followed_where_they_are_named_and_never_out_of_a_directory(
    driver: KernelDriver, here: Path
) -> None:
    (here / "tree").mkdir()
    (here / "tree" / "file").write_text("x")
    (here / "tree" / "inside").symlink_to("file")
    (here / "tree" / "outside").symlink_to("/etc")
    (here / "tree" / "lost").symlink_to("nowhere")
    (here / "link").symlink_to("tree")
    assert left_out(driver.run("%tci upload link")) == [
        "lost' is a link that leads nowhere.",
        "outside' is a link to a directory.",
    ]
    assert there(driver) == {"link", "link/file", "link/inside"}
    driver.run("os.symlink('/etc', 'link/outside'); os.symlink('link', 'other')")
    answer = driver.run("%tci download other --to back")
    assert left_out(answer) == ["outside' is a link to a directory."]
    assert held(here / "back") == {"file": b"x", "inside": b"x"}
    assert shown(driver.run("%tci rm other")) == "Removed other."
    assert "link/file" in there(driver)


def test_what_is_empty_arrives_and_is_counted(driver: KernelDriver, here: Path) -> None:
    (here / "hollow" / "inner").mkdir(parents=True)
    (here / "empty").touch()
    assert shown(driver.run("%tci upload empty")).startswith("Uploaded empty (0 B) in ")
    text = shown(driver.run("%tci upload hollow hollow/inner"))
    assert text.startswith("Uploaded 3 directories without files (0 B) in ")
    assert there(driver) == {"empty", "hollow", "hollow/inner", "inner"}
    text = shown(driver.run("%tci download inner --to new"))
    assert text.startswith("Downloaded a directory without files (0 B) to new in ")
    assert shown(driver.run("%tci download empty --to new")).startswith("Downloaded empty (0 B)")
    assert held(here / "new") == {"empty": b""}


def test_the_same_thing_named_twice_or_with_a_slash_is_one_thing(
    driver: KernelDriver, here: Path
) -> None:
    (here / "d").mkdir()
    (here / "d" / "file").write_text("1")
    (here / "file").write_text("22")
    text = shown(driver.run("%tci upload d d/ ./d file ./file f*"))
    assert text.startswith("Uploaded 2 files (3 B) in ")
    assert there(driver) == {"d", "d/file", "file"}
    shown(driver.run("%tci upload d/."))  # what is in it, over what is there
    assert driver.run("print(open('file').read())").text() == "1\n"
    shown(driver.run("%tci download d d/ --to back"))
    assert held(here / "back") == {"d": None, "d/file": b"1"}
    assert "is there already" in failure(driver.run("%tci download d/ --to back"))


def test_a_full_disk_here_leaves_nothing(driver: KernelDriver, here: Path) -> None:
    driver.run("open('large', 'wb').write(bytes(9_000_000))")
    process = psutil.Process(driver.manager.provisioner.pid)  # type: ignore[union-attr]
    process.rlimit(psutil.RLIMIT_FSIZE, (5_000_000, psutil.RLIM_INFINITY))
    try:
        said = failure(driver.run("%tci download large --to new/"))
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    assert said.startswith("TransferFailed: ")
    assert "large' can't be written: File too large" in said
    assert "The file has not been written." in said
    assert held(here) == {}


@pytest.mark.parametrize("line", ["upload large --to new", "push large"])
def test_a_full_disk_in_the_session_leaves_nothing(
    driver: KernelDriver, here: Path, line: str
) -> None:
    driver.run("%%local\nlarge = bytes(9_000_000)\nopen('large', 'wb').write(large)")
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({}, r.RLIM_INFINITY))"
    driver.run(limit.format(5_000_000))
    said = failure(driver.run(f"%tci {line}"))
    driver.run(limit.format("r.RLIM_INFINITY"))
    assert said.startswith("TransferFailed: In the session: ")
    assert "File too large" in said
    assert there(driver) == set()
    left = driver.run("import glob, tempfile; glob.glob(tempfile.gettempdir() + '/tci-var*')")
    assert left.only("execute_result")["data"]["text/plain"] == "[]"
    shown(driver.run(f"%tci {line}"))


# -- long transfers --------------------------------------------------------------------------


def begin(driver: KernelDriver, line: str) -> str:
    """Send a line and wait until a bar shows how far it is."""
    msg_id = driver.client.execute(line, allow_stdin=True, stop_on_error=False)
    shown = driver.until_published(msg_id, lambda message: "data" in message["content"], "a bar")
    assert "loading: " in shown["content"]["data"]["text/plain"]
    return str(msg_id)


@pytest.mark.parametrize("line", ["upload endless --to new", "download endless --to new/"])
def test_an_interrupt_leaves_no_part_at_either_end(
    driver: KernelDriver, here: Path, line: str
) -> None:
    with (here / "endless").open("wb") as file:
        file.truncate(10**11)
    if line.startswith("download"):
        (here / "endless").unlink()
        driver.run("open('endless', 'wb').truncate(10**11)")
    before = there(driver), set(held_names(here))
    msg_id = begin(driver, f"%tci {line}\nbelow = 1")
    for _ in range(3):  # impatience is harmless
        driver.interrupt()
    answer = driver.finish(msg_id)
    assert answer.reply["ename"] == "KeyboardInterrupt"
    said = f"'%tci {line}' was stopped; what stands below it did not run."
    assert " ".join(answer.reply["evalue"].split()) == said
    assert (
        driver.run("'below' in globals()").only("execute_result")["data"]["text/plain"] == "False"
    )
    last = [content for kind, content in answer.outputs if kind == "update_display_data"][-1]
    assert "loading ended after " in last["data"]["text/plain"]
    assert (there(driver), set(held_names(here))) == before
    assert driver.run("1 + 1").reply["status"] == "ok"


def held_names(directory: Path) -> list[str]:
    return [path.name for path in directory.rglob("*")]


def test_a_bar_is_replaced_and_what_the_cell_showed_before_stays(
    driver: KernelDriver, here: Path
) -> None:
    with (here / "large").open("wb") as file:
        file.truncate(200_000_000)
    answer = driver.run("%tci ls\n%tci upload large\nprint('after')", allow_stdin=True)
    kinds = [kind for kind, _ in answer.outputs]
    assert "clear_output" not in kinds
    outputs: dict[str, Any] = {}
    for kind, content in answer.outputs[:-1]:
        name = content["transient"].get("display_id", "table")
        assert (kind == "update_display_data") == (name in outputs)
        outputs[name] = content["data"]["text/plain"]
    assert [text.split()[0] for text in outputs.values()] == ["Nothing", "Uploaded"]


def test_200_mb_go_both_ways_in_little_memory(driver: KernelDriver, here: Path) -> None:
    whole = hashlib.sha256()
    with (here / "large").open("wb") as file:
        for _ in range(50):
            data = os.urandom(4_000_000)
            whole.update(data)
            file.write(data)
    shown(driver.run("%tci upload large"))  # and nothing else: nobody looks at a bar
    hashed = driver.run(
        "import hashlib\nprint(hashlib.file_digest(open('large', 'rb'), 'sha256').hexdigest())"
    )
    assert hashed.text().strip() == whole.hexdigest()
    shown(driver.run("%tci download large --to back"))
    with (here / "back").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == whole.hexdigest()
    process = psutil.Process(driver.manager.provisioner.pid)  # type: ignore[union-attr]
    for part in (process, *process.children(recursive=True)):
        # The kernel's has the local server in it. Neither holds anything like the file.
        assert peak(part.pid) < 320_000_000


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    (line,) = [
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return int(line.split()[1]) * 1024


# -- what is sent ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remote() -> Iterator[tuple[KernelDriver, CountingProxy]]:
    """The kernel `tci`, for which a session costs, behind a proxy that counts."""
    with (
        serving() as server,
        counted(server.base_url) as proxy,
        kernel("tci", TOGETHER_BASE_URL=proxy.base_url, TOGETHER_API_KEY=TOKEN) as driver,
    ):
        yield driver, proxy


def test_nothing_is_sent_for_what_can_be_refused_here(
    remote: tuple[KernelDriver, CountingProxy], tmp_path: Path
) -> None:
    driver, proxy = remote
    (tmp_path / "file").touch()
    for line in (
        f"upload {tmp_path}/missing",
        f"upload {tmp_path}/file --exclude '!'",
        "download x",
        "ls",
        "rm x",
    ):
        failure(driver.run(f"%tci {line}"))
    assert proxy.executions() == 0
    shown(driver.run(f"%tci upload {tmp_path}/file"))
    assert driver.run("import os; print(os.listdir())").text() == "['file']\n"


def test_it_leaves_no_trace_in_the_session(remote: tuple[KernelDriver, CountingProxy]) -> None:
    driver, _ = remote
    driver.run("%reset -f")
    driver.run("%tci ls")
    count = driver.run("1 + 1").count
    assert driver.run("_").only("execute_result")["data"]["text/plain"] == "2"
    names = driver.run("print([name for name in dir() if not name.startswith('_')])").text()
    assert names == "['In', 'Out', 'exit', 'get_ipython', 'open', 'quit']\n"
    last = driver.run("print(len(In) - 1)")
    assert last.count == count + 3
    assert last.text() == f"{last.count}\n"
