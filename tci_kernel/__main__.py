"""`python -m tci_kernel`: the same as the command `tci-kernel`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working directory, whose files are not ours to run

from tci_kernel.server import early

early.begin(sys.argv[1:])

from tci_kernel.cli import main  # noqa: E402 - most of a kernel's start is importing

if __name__ == "__main__":
    main()
