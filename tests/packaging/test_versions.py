"""The wheel in empty environments, with the lowest versions that it allows and with the newest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tests.packaging.distributions import Distributions
from tests.packaging.environments import (
    OLDEST_PYTHON,
    Environment,
    KernelIn,
    environment,
    lowest,
    newest_python,
    with_extras,
)
from tests.support.servers import ServerProcess
from tests.support.tour import TOUR, check_tour

# Where nothing is kept of an earlier run, hundreds of megabytes are downloaded.
pytestmark = pytest.mark.timeout(900)

# Variables of each kind whose way leads through a package.
_VARIABLES = """\
%%local
import numpy as np, pandas as pd, polars as pl
array = np.arange(6, dtype=">i2").reshape(2, 3)
table = pd.DataFrame({"v": [1, None], "when": pd.to_datetime(["2026-01-01", "2026-01-02"])})
other = pl.DataFrame({"d": [[1], None], "s": ["a", "b"]})"""
_PUSH = """\
%tci push array table other
array2, table2, other2 = array, table, other"""
_PULL = """\
%tci pull array2 table2 other2
%%local
pd.testing.assert_frame_equal(table, table2)
print((array == array2).all(), other.equals(other2))"""

# A script that moves a table through the files of a session.
_FILES = """\
import sys
import pandas as pd
from tci_kernel import Client

service = {"base_url": sys.argv[1], "api_key": sys.argv[2]}
table = pd.DataFrame({"v": [1, 2]})
with Client(**service) as client, client.session() as session:
    session.run("pass").raise_for_error()
    table.to_csv(f"tci://{session.id}/in.csv", index=False, storage_options=service)
    session.run("__import__('os').rename('in.csv', 'out.csv')").raise_for_error()
    print(pd.read_csv(f"tci://{session.id}/out.csv", storage_options=service).equals(table))
"""


@pytest.fixture(scope="module", params=["lowest", "newest"])
def made(request: pytest.FixtureRequest, distributions: Distributions) -> Iterator[Environment]:
    """An environment with the wheel and its extras, on the oldest Python or on the newest."""
    is_lowest = request.param == "lowest"
    pins = [f"{name}=={version}" for name, version in lowest().items()] if is_lowest else []
    python = OLDEST_PYTHON if is_lowest else newest_python()
    with environment(with_extras(distributions.wheel), *pins, python=python) as one:
        yield one


def test_the_tour_runs_and_variables_are_copied(made: Environment, tmp_path: Path) -> None:
    book = nbformat.read(TOUR, as_version=4)
    book.cells += [new_code_cell(source) for source in (_VARIABLES, _PUSH, _PULL)]
    nbformat.write(book, tmp_path / "tour.ipynb")

    options = ("--to", "notebook", "--inplace", "--ExecutePreprocessor.kernel_name=tci-local")
    made.run("jupyter", "nbconvert", *options, "--execute", tmp_path / "tour.ipynb")

    book = nbformat.read(tmp_path / "tour.ipynb", as_version=4)
    check_tour(book)
    assert book.cells[-1].outputs[-1].text == "True True\n"


@pytest.mark.parametrize("made", ["lowest"], indirect=True)
def test_requests_do_not_wait_for_a_running_cell(
    made: Environment, kernel_in: KernelIn, tmp_path: Path
) -> None:
    written = json.loads(made.run("tci-kernel", "install", "--user", "--json").stdout)
    wait = "import os, time\nwhile not os.path.exists({!r}): time.sleep(0.05)"
    with kernel_in(Path(written[0]).parent) as driver:
        running = driver.client.execute(wait.format(str(tmp_path / "go")))
        assert "print" in driver.complete("prin")["matches"]
        (tmp_path / "go").touch()
        assert driver.finish(running).reply["status"] == "ok"


def test_a_script_opens_the_files_of_a_session(made: Environment, server: ServerProcess) -> None:
    done = made.run("python", "-c", _FILES, server.base_url, server.token)
    assert done.stdout == "True\n"


def test_doctor_finds_nothing_wrong(made: Environment) -> None:
    done = made.run("tci-kernel", "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}

    assert done.stderr == ""
    assert checks["tci-local"]["status"] == "ok"
    for part in ("kernelspecs", "Python"):
        assert str(made.directory) in checks[part]["detail"]
