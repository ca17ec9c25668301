"""Notebooks on `python3` and on our kernels: what a client receives is the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.causes import Cause, leave_out
from tests.differential.expected_differences import EXPECTED, Way, causes_of
from tests.differential.normalise import Entry, Normaliser, difference
from tests.differential.notebooks import Cell, read, topics
from tests.support.kernels import DIRECT, KernelDriver, kernel
from tests.support.servers import serving
from tests.support.waiting import until


class Side:
    """One of the kernels, running a notebook."""

    def __init__(self, driver: KernelDriver) -> None:
        self._driver = driver
        self._normaliser = Normaliser()
        self._request = ""

    def start(self, cell: Cell) -> None:
        """Send a cell, so that all kernels run it at once."""
        self._request = self._driver.client.execute(
            cell.code, allow_stdin=cell.typed is not None, store_history=not cell.hidden
        )

    def end(self, cell: Cell) -> list[Entry]:
        """Wait for the cell's end, typing what it asks for."""
        if cell.typed is not None:
            self._type(cell.typed)
        answer = self._driver.finish(self._request)
        if not self._normaliser.directory:
            self._normaliser.directory = answer.text().strip()
        return self._normaliser.entries(answer)

    def _type(self, text: str) -> None:
        client = self._driver.client

        def ended() -> bool:
            if client.stdin_channel.msg_ready():
                client.get_stdin_msg()
                client.input(text)
            return bool(client.shell_channel.msg_ready())

        until(ended, "reply of a cell that asks")


def run(topic: str) -> Iterator[tuple[Cell, list[Entry], dict[Way, list[Entry]]]]:
    """Run a notebook on `python3` and on our kernels; gives what each cell led to on each."""
    with (
        serving() as server,
        kernel("python3") as reference,
        kernel("tci-local") as local,
        kernel("tci", TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token) as remote,
        kernel("tci-local", DIRECT) as direct,
    ):
        expecting = Side(reference)
        ours = {Way.LOCAL: Side(local), Way.REMOTE: Side(remote), Way.DIRECT: Side(direct)}
        for cell in read(topic):
            for side in (expecting, *ours.values()):
                side.start(cell)
            yield cell, expecting.end(cell), {way: side.end(cell) for way, side in ours.items()}


def problems(expected: list[Entry], actual: list[Entry], causes: set[Cause]) -> Iterator[str]:
    """What is wrong with a cell: a difference that no cause explains, or a cause without one."""
    if diff := difference(leave_out(expected, causes), leave_out(actual, causes)):
        yield diff
        return
    for cause in causes:
        others = causes - {cause}
        if leave_out(expected, others) == leave_out(actual, others):
            yield f"no difference any more by Cause.{cause.name} ({cause.reason}): unlist the cell"


@pytest.mark.parametrize("topic", topics())
def test_a_notebook_is_the_same(
    topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With pytest's variable in its environment, ipykernel leaves out what processes print.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    # A bar shows each step, and not only those that are a tenth of a second apart.
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    # Some cells write files; those of `tci-local` are in its session's own directory.
    monkeypatch.chdir(tmp_path)
    found = [
        f"{topic}: {cell.title}, {way.value}\n{problem}"
        for cell, expected, ours in run(topic)
        for way, actual in ours.items()
        for problem in problems(expected, actual, causes_of(topic, cell.title, way))
    ]
    if found:
        pytest.fail("\n\n".join(found), pytrace=False)


def test_every_expected_difference_has_its_cell() -> None:
    titles = {topic: {cell.title for cell in read(topic)} for topic in topics()}
    for cells in EXPECTED.values():
        for topic, listed in cells.items():
            assert len(set(listed)) == len(listed)
            assert set(listed) <= titles[topic]


def test_a_difference_without_a_cause_is_shown() -> None:
    (problem,) = problems([*printed("a"), OPENED], [*printed("b"), OPENED], set())
    assert "-stream · text | 'a'" in problem
    assert "+stream · text | 'b'" in problem


def test_a_cause_hides_no_other_difference() -> None:
    (problem,) = problems([*printed("a"), OPENED], printed("b"), {Cause.COMM})
    assert "+stream · text | 'b'" in problem


def test_a_cause_that_makes_no_difference_is_a_problem() -> None:
    assert not list(problems([*printed("a"), OPENED], printed("a"), {Cause.COMM}))
    (problem,) = problems([*printed("a"), OPENED], printed("a"), {Cause.COMM, Cause.WIDGET})
    assert "Cause.WIDGET" in problem
    (problem,) = problems(printed("a"), printed("a"), {Cause.COMM})
    assert "Cause.COMM" in problem


OPENED = ("comm_open", {"comm_id": "c"})


def printed(text: str) -> list[Entry]:
    return [("stream", {"name": "stdout", "text": text})]
