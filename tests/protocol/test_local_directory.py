"""Where cells of `tci-local` work: in the directory of the notebook, as with ipykernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kernels import DIRECT, KernelDriver, kernel, shown
from tests.support.waiting import until

PRIVATE = "--LocalServer.directory=private"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a notebook, with data and a module."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "data.csv").write_text("a,b\n1,2\n")
    (folder / "mine.py").write_text("value = 42\n")
    return folder


@pytest.fixture(params=[(), (DIRECT,)], ids=["live", "directly"])
def driver(folder: Path, request: pytest.FixtureRequest) -> Iterator[KernelDriver]:
    with kernel("tci-local", *request.param, cwd=str(folder)) as driver:
        yield driver


def names(folder: Path) -> list[str]:
    """What is in a folder, but for what Python compiles."""
    return sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")


def test_what_lies_beside_the_notebook_is_there_and_what_is_written_appears(
    driver: KernelDriver, folder: Path
) -> None:
    code = "import os, mine\nprint(os.getcwd(), open('data.csv').readline(), mine.value)"
    assert driver.run(code).text().split() == [str(folder), "a,b", "42"]
    assert driver.run("open('out.txt', 'w').write('here')").reply["status"] == "ok"
    assert (folder / "out.txt").read_text() == "here"


def test_an_upload_of_a_file_onto_itself_says_that_it_is_there(
    driver: KernelDriver, folder: Path
) -> None:
    before = (folder / "data.csv").stat()
    told = shown(driver.run("%tci upload data.csv"))
    assert "Uploaded nothing" in told
    assert "There already, since the session works on these files: data.csv." in told
    after = (folder / "data.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    told = shown(driver.run("%tci upload data.csv mine.py --to copies"))
    assert "Uploaded 2 files" in told
    assert names(folder / "copies") == ["data.csv", "mine.py"]


def test_a_download_of_a_file_onto_itself_says_that_it_is_there(
    driver: KernelDriver, folder: Path
) -> None:
    before = (folder / "data.csv").stat()
    told = shown(driver.run("%tci download --force data.csv mine.py"))
    assert "Downloaded nothing" in told
    assert "There already, since the session works on these files: data.csv, mine.py." in told
    assert (folder / "data.csv").stat().st_ino == before.st_ino
    told = shown(driver.run("%tci download data.csv --to again.csv"))
    assert "Downloaded data.csv" in told
    assert (folder / "again.csv").read_bytes() == (folder / "data.csv").read_bytes()


def test_an_upload_of_some_files_onto_themselves_sends_the_others(
    driver: KernelDriver, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.txt").write_text("other")
    told = shown(driver.run("%tci upload data.csv ../other.txt"))
    assert "Uploaded other.txt" in told
    assert "on these files: data.csv." in told
    assert (folder / "other.txt").read_text() == "other"


def test_nothing_of_the_kernels_own_is_left_there(folder: Path) -> None:
    with kernel("tci-local", cwd=str(folder)) as driver:
        driver.run("x = [1] * 1000")
        driver.run("%tci vars")
        driver.run("%%local\ny = 'a' * 200_000")
        assert driver.run("%tci push y").reply["status"] == "ok"
        assert driver.run("import os; os._exit(1)").reply["ename"] == "InterpreterDied"
        assert driver.run("print(1)").text() == "1\n"
    assert names(folder) == ["data.csv", "mine.py"]


def test_a_private_directory_is_empty_and_ends_with_the_session(folder: Path) -> None:
    with kernel("tci-local", PRIVATE, cwd=str(folder)) as driver:
        where = Path(driver.run("import os; print(os.getcwd())").text().strip())
        assert where != folder
        assert driver.run("print(os.listdir())").text() == "[]\n"
        assert driver.run("open('out.txt', 'w').close()").reply["status"] == "ok"
        assert "Uploaded data.csv" in shown(driver.run("%tci upload data.csv"))
        assert names(where) == ["data.csv", "out.txt"]
    until(lambda: not where.exists(), "the end of the private directory")
    assert names(folder) == ["data.csv", "mine.py"]


@pytest.mark.parametrize(("option", "is_run"), [("False", False), ("True", True)])
def test_the_profile_of_the_user_is_read_where_that_is_wanted(
    tmp_path: Path, option: str, is_run: bool
) -> None:
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "own.py").write_text("from_profile = 1\n")
    with kernel(
        "tci-local",
        f"--LocalServer.use_profile={option}",
        IPYTHONDIR=str(tmp_path / "ipython"),
    ) as driver:
        assert driver.run("print('from_profile' in globals())").text() == f"{is_run}\n"
