"""The command `tci-kernel`. What a kernel's start does not need is imported by the others."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_OWN_OPTIONS = ("-h", "--help", "--version")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a sub-command; options alone start the kernel, as kernelspecs do."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["kernel"]:
        return _run_kernel(arguments[1:])
    if arguments and arguments[0].startswith("-") and arguments[0] not in _OWN_OPTIONS:
        return _run_kernel(arguments)
    from tci_kernel.cli.root import run  # noqa: PLC0415 - a kernel's start does without click

    sys.exit(run(arguments or ["--help"]))


def _run_kernel(arguments: list[str]) -> None:
    from tci_kernel.kernel.app import TCIKernelApp  # noqa: PLC0415

    TCIKernelApp.launch_instance(arguments)
