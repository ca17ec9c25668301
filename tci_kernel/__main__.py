"""`python -m tci_kernel`: the same as the command `tci-kernel`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working directory, whose files are not ours to run

if "--local" in sys.argv:
    from tci_kernel.server import early

    early.begin(sys.argv[1:])

from tci_kernel.cli import main

if __name__ == "__main__":
    main()
