"""The settings of a notebook whose cells are run by magics, and where they come from."""

from __future__ import annotations

from traitlets.config import Config

from tci_kernel.config.settings import Catalogue, Layer, Settings
from tci_kernel.core.text import wrapped

# What counts here. The files have settings of the kernel too, which are checked there.
CATALOGUE = Catalogue(
    {
        "TCIMagics": "tci_kernel.extension.magics",
        "RemoteSession": "tci_kernel.session.session",
        "TCIClient": "tci_kernel.client.client",
        "LocalServer": "tci_kernel.server.server",
    },
    others=None,
)

_IPYTHON = "IPython's configuration"


def read(config: Config) -> tuple[Settings, list[str]]:
    """What is set, and what of it can't be used, in lines for the user.

    Args:
        config: IPython's, which counts more than `tci_kernel_config.py`.
    """
    layers, problems = CATALOGUE.read_files()
    usable, wrong = CATALOGUE.checked(config, _IPYTHON)
    layers.append(Layer(_IPYTHON, usable))
    lines = [*map(wrapped, [*problems, *wrong])]
    title = ["Settings that can't be used, and are left out:"]
    return Settings(CATALOGUE, layers), title * bool(lines) + lines
