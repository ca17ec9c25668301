"""ipykernel's own test of Jupyter's message specification, as published, on `tci-local`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import upstream
from tests.support.cache import kept
from tests.support.kernels import KernelDriver

FILE = "tests/test_message_spec.py"

# What fails of it: why that is right, and what the failure says.
EXCEPTIONS = {
    # It asserts the version of ipykernel itself.
    "test_kernel_info_request": "bad version",
    # It expects the first reply to be that of the running cell, since ipykernel's other replies
    # wait behind it. Here they come at once; that none is aborted is tested below.
    "test_non_execute_stop_on_error": "assert 'ok' == 'error'",
}


pytestmark = pytest.mark.timeout(2 * upstream.LIMIT)


@pytest.fixture(scope="module")
def tests(downloads: Path) -> Path:
    """The tests of the installed ipykernel."""
    return kept(downloads / f"ipykernel-{upstream.VERSION}", upstream.fetch)


def test_ipykernels_own_tests_pass(tests: Path, subtests: pytest.Subtests) -> None:
    others = [f"--deselect={FILE}::{name}" for name in EXCEPTIONS]
    outcomes = upstream.outcomes(tests, "tci-local", FILE, *others)
    assert len(outcomes) > 20
    for name, failure in outcomes.items():
        with subtests.test(name):
            assert failure == ""


def test_the_exceptions_fail_for_their_reasons(tests: Path, subtests: pytest.Subtests) -> None:
    # Apart from the others: a test that fails leaves its cells and replies to the next.
    chosen = [f"{FILE}::{name}" for name in EXCEPTIONS]
    outcomes = upstream.outcomes(tests, "tci-local", *chosen)
    assert set(outcomes) == set(EXCEPTIONS)
    for name, failure in outcomes.items():
        with subtests.test(name):
            assert EXCEPTIONS[name] in failure


def test_an_error_aborts_no_request_but_cells(local_kernel: KernelDriver) -> None:
    client = local_kernel.client
    failing = client.execute("import time; time.sleep(0.5); 1/0")
    requests = [client.kernel_info(), client.comm_info(), client.inspect("print")]
    cell = client.execute("never")
    replies: dict[str, str] = {}
    while not {failing, cell, *requests} <= set(replies):
        message = client.get_shell_msg(timeout=60)
        if message["parent_header"]["msg_id"] in (failing, cell, *requests):
            replies[message["parent_header"]["msg_id"]] = message["content"]["status"]
    assert replies == {failing: "error", cell: "aborted", **dict.fromkeys(requests, "ok")}
