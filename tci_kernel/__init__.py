"""A Jupyter kernel whose cells run in Together's code interpreter (TCI).

The public names are few: the kernel, the client of the service and the root of the exception
tree. They are imported on first use, so that starting a kernel loads only what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tci_kernel.client.client import TCIClient
    from tci_kernel.core.errors import TCIError
    from tci_kernel.kernel.kernel import TCIKernel

__version__ = "0.1.0"

__all__ = ["TCIClient", "TCIError", "TCIKernel", "__version__"]

_HOME = {"TCIClient": "client.client", "TCIError": "core.errors", "TCIKernel": "kernel.kernel"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
