"""Every block of code in the documents does what the page says: in the page's order, for real.

What stands behind a fence says what a block is. `not-run` marks one that can't be run here.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from tci_kernel.cli.common import CATALOGUE
from tests.documents.pages import PAGES, Block, blocks
from tests.documents.reader import ADDRESS, Reader, reading
from tests.support.contract import check
from tests.support.kernels import kernel
from tests.support.servers import ServerProcess, serving

BLOCKS = [block for page in PAGES for block in blocks(page)]

# The blocks that are marked `not-run`, by their last line, and why.
NOT_RUN = {
    "code .": "VS Code needs a screen",
    "docker run --publish 8321:8321 --env TCI_SERVER_TOKEN --memory 16g tci-kernel": (
        "Docker needs a daemon; tests/packaging/test_image.py does the image's steps"
    ),
    'eval "$(_TCI_KERNEL_COMPLETE=zsh_source tci-kernel)"': "zsh may be missing",
    "_TCI_KERNEL_COMPLETE=fish_source tci-kernel | source": "fish may be missing",
}


@pytest.fixture(scope="module")
def service() -> Iterator[ServerProcess]:
    """A service that takes any key."""
    with serving(token="") as server:
        yield server


@pytest.fixture(scope="module")
def reader_of(
    service: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Reader]]:
    """Gives the reader of a page, who remembers what they did with its earlier blocks."""
    readers: dict[Path, Reader] = {}
    with ExitStack() as stack:

        def get(page: Path) -> Reader:
            if page not in readers:
                directory = tmp_path_factory.mktemp(page.stem)
                readers[page] = stack.enter_context(reading(directory, service))
            return readers[page]

        yield get


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.kind in kinds]
    return pytest.mark.parametrize("block", chosen, ids=str)


@of_kind("sh", "ipython", "ipython ordinary", "python")
def test_commands_cells_and_scripts_run(block: Block, reader_of: Callable[[Path], Reader]) -> None:
    reader = reader_of(block.page)
    if block.kind == "sh":
        reader.type(block.text)
    elif block.kind.startswith("ipython"):
        run = reader.run if block.kind == "ipython" else reader.run_ordinarily
        answer = run(block.text)
        assert answer.reply["status"] == "ok", answer.reply
    else:
        assert reader.execute(block.text)


@of_kind("python config")
def test_settings_in_python_can_be_used(block: Block, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(block.text)

    _, problems = CATALOGUE.checked(
        PyFileConfigLoader("config.py", str(tmp_path)).load_config(), ""
    )

    assert problems == []


@of_kind("json config")
def test_settings_in_json_can_be_used(block: Block) -> None:
    assert CATALOGUE.checked(Config(json.loads(block.text)), "")[1] == []


@of_kind("json argv")
def test_a_kernelspec_with_such_an_argv_works(
    block: Block, service: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "kernels" / "other"
    directory.mkdir(parents=True)
    argv = json.loads(block.text.replace(ADDRESS, service.base_url))
    spec = {"argv": argv, "display_name": "other", "language": "python"}
    (directory / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    with kernel("other", TOGETHER_API_KEY="anything") as driver:
        shown = driver.run("%tci status").only("display_data")["data"]["text/plain"]

    assert f"{service.base_url} (remote)" in shown


@of_kind("json ExecuteRequest", "json ExecuteResponse", "json SessionsResponse")
def test_what_travels_keeps_to_the_contract(block: Block) -> None:
    check(block.kind.split()[1], block.text)


@of_kind("python excerpt")
def test_excerpts_are_python(block: Block) -> None:
    compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_what_is_not_run_is_on_the_list() -> None:
    found = [block.text.splitlines()[-1] for block in BLOCKS if block.kind.endswith(" not-run")]
    assert sorted(found) == sorted(NOT_RUN)


def test_every_block_is_of_a_known_kind() -> None:
    tested = {
        *("sh", "ipython", "ipython ordinary", "python", "python config", "python excerpt"),
        *("json config", "json argv"),
        *("json ExecuteRequest", "json ExecuteResponse", "json SessionsResponse"),
    }
    unknown = {
        f"{block}: {block.kind}"
        for block in BLOCKS
        if block.kind not in {*tested, "text"} and not block.kind.endswith(" not-run")
    }
    assert unknown == set()
