"""What it takes to go on in a new session: as planned, with everything copied, or made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.notebooks import NOTEBOOKS
from benchmarks.process import KernelProcess, started
from benchmarks.table import Row
from tci_kernel.remote.shared_names import RECORDER
from tests.support.servers import ServerProcess

# A session that keeps no record of its cells copies everything that can be.
FORGET = f"import sys; sys.modules.pop({RECORDER!r}, None); del sys"

ROUNDS = 3


def rows(server: ServerProcess) -> Iterator[Row]:
    """The rows of moving three notebooks, and of the record's cost for their cells."""
    for name, cells in NOTEBOOKS.items():
        with ExitStack() as stack:
            ours, copying, again, plain = (
                stack.enter_context(
                    started(
                        kernel, TOGETHER_BASE_URL=server.base_url, TOGETHER_API_KEY=server.token
                    )
                )
                for kernel in ("tci", "tci", "tci", "python3")
            )
            for kernel in (ours, copying):
                _run(kernel, cells)
            for against, theirs in (
                ("copying everything", partial(_copy, copying)),
                ("running everything again", partial(_run_again, again, cells)),
            ):
                yield Row(
                    f"moving the notebook of {name}",
                    partial(ours.run, "%tci migrate"),
                    goal=1,
                    against=against,
                    theirs=theirs,
                    rounds=ROUNDS,
                )
            yield Row(
                f"running the notebook of {name}",
                partial(_run_again, again, cells),
                against="ipykernel",
                theirs=partial(_run_restarted, plain, cells),
                rounds=ROUNDS,
            )


def _run(kernel: KernelProcess, cells: Sequence[str]) -> float:
    """Seconds that the cells take."""
    return sum(kernel.run(cell) for cell in cells)


def _copy(kernel: KernelProcess) -> float:
    kernel.run(FORGET)
    return kernel.run("%tci migrate")


def _run_again(kernel: KernelProcess, cells: Sequence[str]) -> float:
    return kernel.run("%tci new") + _run(kernel, cells)


def _run_restarted(kernel: KernelProcess, cells: Sequence[str]) -> float:
    return kernel.run("%reset -f") + _run(kernel, cells)
