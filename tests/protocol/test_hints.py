"""Errors about what is on this computer, and not in the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kernels import DIRECT, Answer, KernelDriver, kernel
from tests.support.servers import ServerProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a notebook."""
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "cities.csv").write_text("a,b\n1,2\n")
    (folder / "my data").mkdir()
    (folder / "my data" / "b.csv").write_text("c\n3\n")
    (folder / "mine.py").write_text("value = 7\n")
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("")
    return folder


@pytest.fixture(scope="module", params=["live", "direct"])
def driver(
    server: ServerProcess, folder: Path, request: pytest.FixtureRequest
) -> Iterator[KernelDriver]:
    options = [DIRECT] if request.param == "direct" else []
    with kernel(
        "tci",
        *options,
        cwd=str(folder),
        TOGETHER_BASE_URL=server.base_url,
        TOGETHER_API_KEY=server.token,
    ) as driver:
        yield driver


def last_line(answer: Answer) -> str:
    """The end of an error's traceback."""
    [traceback] = [content["traceback"] for kind, content in answer.outputs if kind == "error"]
    return str(traceback[-1])


def test_a_file_that_is_here_is_named_and_the_line_that_is_given_brings_it(
    driver: KernelDriver,
) -> None:
    code = "import pandas as pd; pd.read_csv('cities.csv').shape"
    line = last_line(driver.run(code))
    assert line == "cities.csv is on this computer: %tci upload cities.csv"
    driver.run(line.partition(": ")[2])
    assert driver.run(code).only("execute_result")["data"]["text/plain"] == "(1, 2)"


@pytest.mark.parametrize(
    "code",
    [
        "raise FileNotFoundError('cities.csv')",
        "import numpy as np; np.loadtxt('cities.csv')",
        "import polars as pl; pl.read_csv('cities.csv')",
    ],
)
def test_a_file_is_named_whatever_library_looks_for_it(driver: KernelDriver, code: str) -> None:
    driver.run("import os\nif os.path.exists(name := 'cities' + '.csv'): os.remove(name)")
    line = last_line(driver.run(code))
    assert line == "cities.csv is on this computer: %tci upload cities.csv"


def test_a_file_in_a_folder_arrives_where_it_is_looked_for(driver: KernelDriver) -> None:
    line = last_line(driver.run("open('my data/b.csv')"))
    assert line.endswith(": %tci upload 'my data/b.csv' --to 'my data'")
    driver.run(line.partition(": ")[2])
    assert driver.run("print(open('my data/b.csv').read())").text() == "c\n3\n\n"


def test_modules_that_are_here_are_named(driver: KernelDriver) -> None:
    assert last_line(driver.run("import mine")).endswith("%tci upload mine.py")
    assert last_line(driver.run("import package.part")).endswith("%tci upload package")
    driver.run("%tci upload mine.py")
    assert driver.run("import mine; print(mine.value)").text() == "7\n"


def test_a_package_that_is_not_there_can_be_installed(driver: KernelDriver) -> None:
    # Here it is installed for both: the session says what it would if it were not.
    line = last_line(driver.run("raise ModuleNotFoundError(\"No module named 'yaml'\")"))
    assert line == "'%pip install PyYAML' installs it in the session."
    line = last_line(driver.run("import surely_no_such_module"))
    assert line == (
        "If a package has this name, '%pip install surely_no_such_module' installs it in the "
        "session."
    )


@pytest.mark.parametrize(
    "code",
    [
        "open('nowhere.csv')",
        "open('/etc/hostname-of-nobody')",
        "import json.nothing",
        "raise ModuleNotFoundError(\"No module named 'yaml.nothing'\")",
        "raise FileNotFoundError('no file of any name: /cities.csv')",
        "raise ValueError(\"[Errno 2] No such file: 'cities.csv'\")",
        "open('../' + 'cities.csv')",
    ],
)
def test_other_errors_are_as_they_are(driver: KernelDriver, code: str) -> None:
    line = last_line(driver.run(code))
    assert "on this computer" not in line
    assert "installs it" not in line


@pytest.mark.parametrize("code", ["print(%tci ls)", "def f():\n    return %tci ls", "[%tci ls]"])
def test_a_command_within_code_is_told_where_it_belongs(driver: KernelDriver, code: str) -> None:
    answer = driver.run(code)
    assert answer.reply["ename"] == "SyntaxError"
    assert last_line(answer) == (
        "A %tci command has no value. Put it on a line of its own, not indented."
    )


@pytest.mark.parametrize("code", ["print(%ls)", "x = = 1  # no line of %tci", "'%tci ls"])
def test_other_code_that_cannot_be_read_gets_no_line(driver: KernelDriver, code: str) -> None:
    assert "%tci command" not in last_line(driver.run(code))
