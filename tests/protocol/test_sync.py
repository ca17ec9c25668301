"""Files that code names, sent before it runs: `TCIKernel.sync`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kernels import DIRECT, Answer, KernelDriver, kernel
from tests.support.servers import ServerProcess

SYNC = "--TCIKernel.sync=upload"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a notebook, with something above it."""
    folder = tmp_path / "notebook"
    (folder / "data").mkdir(parents=True)
    (folder / "cities.csv").write_text("old")
    (folder / "data" / "b.csv").write_text("b")
    (folder / ".env").write_text("secret")
    (folder / "link.txt").symlink_to(folder / ".env")
    (tmp_path / "above.txt").write_text("above")
    (folder / "out.txt").symlink_to(tmp_path / "above.txt")
    (folder / "mine.py").write_text("import other_of_mine\nvalue = other_of_mine.value\n")
    (folder / "other_of_mine.py").write_text("value = 7\nunsent = 'cities.csv'\n")
    (folder / "parcel").mkdir()
    (folder / "parcel" / "__init__.py").write_text("from parcel.inner import value\n")
    (folder / "parcel" / "inner.py").write_text("value = 8\n")
    return folder


@pytest.fixture(params=["live", "direct"])
def driver(
    server: ServerProcess, folder: Path, request: pytest.FixtureRequest
) -> Iterator[KernelDriver]:
    options = [SYNC, DIRECT] if request.param == "direct" else [SYNC]
    where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    with kernel("tci", *options, cwd=str(folder), **where) as driver:
        yield driver


def sent(answer: Answer) -> str:
    """What was said of files that were sent."""
    displays = [content for kind, content in answer.outputs if kind == "display_data"]
    return "\n".join(content["data"]["text/plain"] for content in displays)


def test_files_that_are_missed_or_have_changed_are_sent_and_shown(
    driver: KernelDriver, folder: Path
) -> None:
    code = "print(open('cities.csv').read(), open('./data/b.csv').read())"
    answer = driver.run(code)
    assert answer.text() == "old b\n"
    assert sent(answer).startswith("Uploaded 2 files")
    assert sent(driver.run(code)) == ""
    (folder / "cities.csv").write_text("new")
    answer = driver.run(code)
    assert answer.text() == "new b\n"
    assert sent(answer).startswith("Uploaded cities.csv")
    driver.run("import os; os.remove('cities' + '.csv')")
    assert driver.run(code).text() == "new b\n"
    assert answer.count == answer.reply["execution_count"]


def test_what_the_session_has_changed_is_never_overwritten(
    driver: KernelDriver, folder: Path
) -> None:
    driver.run("x = 'cities.csv'")
    write = "name = 'cities' + '.csv'; open(name, 'w').write('the session')"
    driver.run(write)
    code = "print(open('cities.csv').read())"
    answer = driver.run(code)
    assert (answer.text(), answer.text("stderr")) == ("the session\n", "")
    (folder / "cities.csv").write_text("here, changed")
    answer = driver.run(code)
    assert answer.text() == "the session\n"
    assert answer.text("stderr") == (
        "cities.csv is another file in the session, and was not sent: %tci upload does that.\n"
    )
    assert driver.run(code).text("stderr") == ""  # it is said once
    driver.run("%tci upload cities.csv")
    assert driver.run(code).text() == "here, changed\n"
    (folder / "cities.csv").write_text("here, again")
    assert driver.run(code).text() == "here, again\n"


def test_modules_are_sent_with_those_that_they_import(driver: KernelDriver) -> None:
    answer = driver.run("import mine, parcel\nprint(mine.value, parcel.value)")
    assert answer.text() == "7 8\n"
    for name in ("mine.py", "other_of_mine.py", "parcel/inner.py"):
        assert name in sent(answer)
    assert "cities.csv" not in sent(answer)


def test_nothing_hidden_and_nothing_outside_is_sent(driver: KernelDriver) -> None:
    answer = driver.run(
        "import os\n"
        "names = ['.env', 'link.txt', 'out.txt', '../above.txt', 'data', 'nowhere', '', '\\0']\n"
        "print([name for name in names[:-1] if name and os.path.exists(name)])"
    )
    assert answer.text() == "[]\n"
    assert sent(answer) == ""


def test_off_sends_nothing(server: ServerProcess, folder: Path) -> None:
    where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    with kernel("tci", cwd=str(folder), **where) as driver:
        assert driver.run("open('cities.csv')").reply["ename"] == "FileNotFoundError"


def test_where_the_session_works_on_the_files_there_is_nothing_to_send(folder: Path) -> None:
    with kernel("tci-local", SYNC, cwd=str(folder)) as driver:
        answer = driver.run("print(open('cities.csv').read())")
    assert answer.text() == "old\n"
    assert sent(answer) == answer.text("stderr") == ""
