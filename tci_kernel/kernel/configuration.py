"""What can be set, and what the configuration files set, for those who run no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tci_kernel.kernel.catalogue import catalogue

if TYPE_CHECKING:
    from tci_kernel.kernel.app import TCIKernelApp


def _application() -> type[TCIKernelApp]:
    from tci_kernel.kernel.app import TCIKernelApp  # noqa: PLC0415 - slow to import

    return TCIKernelApp


CATALOGUE = catalogue(_application)
