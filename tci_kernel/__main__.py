"""`python -m tci_kernel`: the same as the command `tci-kernel`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working directory, whose files are not ours to run

from tci_kernel.cli import main

if __name__ == "__main__":
    main()
