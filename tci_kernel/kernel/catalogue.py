"""Which classes of this package have settings, for whoever reads them. Imports none of them."""

from __future__ import annotations

from collections.abc import Callable

from traitlets.config import Application

from tci_kernel.config.settings import Catalogue

_HOMES = {
    "TCIKernel": "tci_kernel.kernel.kernel",
    "RemoteSession": "tci_kernel.session.session",
    "TCIClient": "tci_kernel.client.client",
    "LocalServer": "tci_kernel.server.server",
}


def catalogue(application: Callable[[], type[Application]]) -> Catalogue:
    """The settings of this package, and those that the kernel takes from ipykernel and Jupyter.

    Args:
        application: gives the kernel's application, which only few settings need.
    """
    return Catalogue(_HOMES, lambda: (application(), *application().classes))
