"""A Jupyter kernel whose cells run in Together's code interpreter (TCI).

The public names are few: the Python API, the kernel, the client of the service's HTTP and the root
of the exception tree. They are imported on first use, so that starting a kernel loads only what it
needs.
"""

from __future__ import annotations

from importlib import import_module

from tci_kernel._version import __version__

# For type checkers: nothing is imported here that the working directory could have a file for.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tci_kernel.api.async_client import AsyncClient
    from tci_kernel.api.sync_client import Client
    from tci_kernel.client.client import TCIClient
    from tci_kernel.core.errors import TCIError
    from tci_kernel.kernel.kernel import TCIKernel

__all__ = ["AsyncClient", "Client", "TCIClient", "TCIError", "TCIKernel", "__version__"]

_HOMES = {
    "AsyncClient": "tci_kernel.api.async_client",
    "Client": "tci_kernel.api.sync_client",
    "TCIClient": "tci_kernel.client.client",
    "TCIError": "tci_kernel.core.errors",
    "TCIKernel": "tci_kernel.kernel.kernel",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add `%%tci` and `%tci` to an IPython: `%load_ext tci_kernel`."""
    import_module("tci_kernel.extension.magics").load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take them away again: `%unload_ext tci_kernel`."""
    import_module("tci_kernel.extension.magics").unload(shell)
