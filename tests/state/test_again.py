"""What `%tci save` does not carry, and `%tci load` has cells make again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tci_kernel.transfer.saved_state import read
from tests.state.loading import loaded_elsewhere, told
from tests.support.kernels import KernelDriver


@pytest.fixture(autouse=True)
def new_session(driver: KernelDriver) -> None:
    driver.run("%tci new")


def run(driver: KernelDriver, *cells: str) -> None:
    for cell in cells:
        reply = driver.run(cell).reply
        assert reply["status"] == "ok", (cell, reply)


def text(driver: KernelDriver, expression: str) -> str:
    return driver.run(f"print({expression})").text().strip()


def test_what_cant_be_saved_is_where_it_was(driver: KernelDriver, tmp_path: Path) -> None:
    run(driver, "items = [1, 2, 3, 4]", "rest = (item * 10 for item in items)", "next(rest)")
    run(driver, "items.append(5)", "holder = {'lines': iter(items), 'name': 'kept'}")
    run(driver, "next(holder['lines'])")
    saved, loaded = loaded_elsewhere(driver, tmp_path / "a.tci")
    state = read(tmp_path / "a.tci")
    assert "rest = (item * 10 for item in items)" in [cell.source for cell in state.cells]
    assert {one.name for one in state.variables if one.is_remade} >= {"rest", "holder"}
    assert "Not saved" not in saved
    assert "again" in saved
    assert "Ran cells" in loaded
    assert text(driver, "next(rest), next(holder['lines']), holder['name']") == "20 2 kept"


def test_what_is_soon_made_again_is_not_carried(driver: KernelDriver, tmp_path: Path) -> None:
    path = tmp_path / "a.tci"
    run(driver, "import numpy as np", "seed = 3", "noise = np.random.default_rng(seed)")
    run(driver, "data = noise.normal(size=5_000_000)", "data *= 2", "view = data[:10]")
    run(driver, "view[0] = 7", "total = data.sum()")
    before = text(driver, "repr(total), data[:3], noise.normal()")
    run(driver, "print(noise.normal())")  # what it shows is not shown again
    after = text(driver, "noise.bit_generator.state['state']")
    _, loaded = loaded_elsewhere(driver, path)
    assert path.stat().st_size < 100_000
    assert "may not be" not in loaded
    assert text(driver, "noise.bit_generator.state['state']") == after
    run(driver, "view[1] = 8", "assert data[1] == 8 and data[0] == 7")
    assert before.startswith(text(driver, "repr(total)"))


def test_what_takes_longer_to_make_is_carried(driver: KernelDriver, tmp_path: Path) -> None:
    path = tmp_path / "a.tci"
    run(driver, "import numpy as np", "sum(range(60_000_000)); data = np.ones(700_000)")
    saved, _ = loaded_elsewhere(driver, path)
    assert "again" not in saved
    assert path.stat().st_size > 5_000_000


def test_files_and_the_clock_are_used_again_only_where_the_user_says_so(
    driver: KernelDriver, tmp_path: Path
) -> None:
    run(driver, "open('numbers.txt', 'w').write('1\\n2\\n3\\n')", "lines = open('numbers.txt')")
    run(driver, "next(lines)", "import time, threading", "started = iter([time.time()])")
    run(driver, "def ask():\n    return open('numbers.txt')", "asked = (line for line in ask())")
    saved, loaded = loaded_elsewhere(driver, tmp_path / "a.tci")
    assert "lines" in saved
    assert "--rerun has it made" in saved
    assert "Ran" not in loaded
    assert text(driver, "'lines' in globals(), 'asked' in globals()") == "False False"


def test_the_user_can_say_so(driver: KernelDriver, tmp_path: Path) -> None:
    run(driver, "open('numbers.txt', 'w').write('1\\n2\\n3\\n')", "lines = open('numbers.txt')")
    run(driver, "next(lines)")
    saved, _ = loaded_elsewhere(driver, tmp_path / "a.tci", "--rerun")
    assert "Not saved" not in saved
    assert text(driver, "next(lines).strip()") == "2"


def test_a_class_is_the_one_that_its_objects_are_of(driver: KernelDriver, tmp_path: Path) -> None:
    cell = "class Part:\n    pass\nparts = [Part() for _ in range(3)]\nfound = (p for p in parts)"
    run(driver, "import numpy", cell, "other = Part()", "next(found) is parts[0]")
    loaded_elsewhere(driver, tmp_path / "a.tci")
    assert text(driver, "type(other) is Part, type(parts[0]) is Part") == "True True"
    assert text(driver, "next(found) is parts[1], type(parts[2]) is Part") == "True True"


def test_numbers_are_drawn_again_from_their_seed(driver: KernelDriver, tmp_path: Path) -> None:
    run(driver, "import random", "random.seed(5)", "first = (random.random() for _ in [0])")
    run(driver, "drawn = next(first), random.random()", "more = iter([random.random()])")
    after = text(driver, "random.getstate()[1][:3], drawn")
    loaded_elsewhere(driver, tmp_path / "a.tci")
    assert text(driver, "random.getstate()[1][:3], drawn") == after
    assert text(driver, "0 < next(more) < 1") == "True"


def test_what_is_not_the_same_again_is_told(driver: KernelDriver, tmp_path: Path) -> None:
    """The order of a set of texts is another in each process."""
    run(driver, "import numpy as np", "words = {str(n) for n in range(5_000)}")
    run(driver, "order = np.repeat([float(word) for word in words], 1_000)", "del words")
    _, loaded = loaded_elsewhere(driver, tmp_path / "a.tci")
    assert "order was made again by its cells, and may not be what it was." in loaded


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["import asyncio", "await asyncio.sleep(0)\nlost = iter([1])"], "lost"),
        (["[1, 2]", "lost = iter(_)"], "lost"),
        (["lost = iter([1]); globals()['x'] = 1"], "lost"),
    ],
    ids=["waits", "an earlier output", "globals"],
)
def test_what_is_not_sure_is_not_run_again(
    driver: KernelDriver, tmp_path: Path, cells: list[str], name: str
) -> None:
    run(driver, *cells, f"{name} = (item for item in {name})")
    saved, loaded = loaded_elsewhere(driver, tmp_path / "a.tci")
    assert name in saved[saved.index("Not saved") :]
    assert "Ran" not in loaded


def test_a_cell_that_has_failed_is_not_run_again(driver: KernelDriver, tmp_path: Path) -> None:
    assert driver.run("rest = (n for n in [1, 2]); next(rest); 1 / 0").reply["status"] == "error"
    saved, _ = loaded_elsewhere(driver, tmp_path / "a.tci")
    assert "rest" in saved[saved.index("Not saved") :]


def test_what_the_session_has_besides_stays(driver: KernelDriver, tmp_path: Path) -> None:
    run(driver, "step = 2", "rest = (step * n for n in [1, 2, 3])\nhelp_text = 'old'", "step = 5")
    run(driver, "del help_text", "print(next(rest))")
    loaded_elsewhere(driver, tmp_path / "a.tci", before="help_text = 'mine'; own = 1")
    assert text(driver, "help_text, own, step, next(rest)") == "mine 1 5 10"


def test_it_is_carried_over_to_a_new_session(driver: KernelDriver) -> None:
    run(driver, "rest = (n for n in range(5))", "print(next(rest), next(rest))")
    moved = driver.run("%tci migrate")
    assert moved.reply["status"] == "ok", moved.reply
    assert "Not there" not in told(moved)
    assert text(driver, "next(rest)") == "2"
    again = driver.run("%tci migrate")  # what was recorded has come along
    assert "Not there" not in told(again)
    assert text(driver, "next(rest)") == "3"
