"""The variables of an IPython in this process, for who copies them."""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from tci_kernel.remote.names import variables_like


class LocalNames:
    """The user's variables in an IPython.

    Args:
        ipython: the one in which `%%local` cells run, or the user's own.
    """

    def __init__(self, ipython: InteractiveShell) -> None:
        self._ipython = ipython

    @property
    def namespace(self) -> dict[str, Any]:
        """The user's variables."""
        namespace: dict[str, Any] = self._ipython.user_ns
        return namespace

    def variables(self, prefix: str) -> list[str]:
        """The names of the user's variables that begin with a text."""
        return variables_like(prefix, self.namespace, self._ipython.user_ns_hidden)
