"""Where coverage is not measured: it makes Python itself slower, not the package alone."""

from __future__ import annotations

from pathlib import Path

from ipykernel.kernelspec import write_kernel_spec

# By this variable the processes that tests start know that they are measured, and how.
VARIABLE = "COVERAGE_PROCESS_CONFIG"

# What the environment of a process has that is not measured, nor what it starts.
UNMEASURED = {VARIABLE: ""}

# Rooms of whole programs. What these start of the package, the other rooms measure.
PROGRAMS = ("clients", "differential", "documents", "packaging")


def write_unmeasured_interpreter(directory: Path) -> None:
    """Write the kernelspec `python3` into a directory of JUPYTER_PATH.

    Sessions run in such a process, and none of the package does.
    """
    write_kernel_spec(directory / "kernels" / "python3", overrides={"env": UNMEASURED})
