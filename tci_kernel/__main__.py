"""`python -m tci_kernel`: the same as the command `tci-kernel`."""

from tci_kernel.cli import main

if __name__ == "__main__":
    main()
