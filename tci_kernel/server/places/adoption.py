"""Takes over an interpreter that was started before the server; see `early`."""

from __future__ import annotations

import subprocess
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from tci_kernel.server.early import EarlyInterpreter


class AdoptedProvisioner(LocalProvisioner):
    """The process of a kernel that runs already.

    Args:
        process: it, which leads a group of its own.
        options: as in Jupyter's own.
    """

    def __init__(self, process: subprocess.Popen[bytes], **options: Any) -> None:
        super().__init__(**options)
        self._adopted = process

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Prepare nothing: its connection file is there, and may be read at this moment."""
        return {**kwargs, "cmd": []}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ARG002 - Jupyter's signature
        """Take the process as it is."""
        self.process = self._adopted
        self.pid = self.pgid = self._adopted.pid
        manager: Any = self.parent
        self.connection_info = manager.get_connection_info()
        return self.connection_info


def adopt(early: EarlyInterpreter, manager: AsyncKernelManager) -> bool:
    """Have a manager take over an interpreter that is what it would start; else end that.

    Args:
        early: the interpreter.
        manager: has not started one yet.

    Returns:
        whether it was taken over.
    """
    manager.load_connection_file(str(early.connection_file))
    try:
        spec = manager.kernel_spec
        is_same = spec is not None and not spec.env and manager.format_kernel_cmd() == early.command
    except NoSuchKernel:
        is_same = False
    if is_same:
        manager.provisioner = AdoptedProvisioner(
            early.process, parent=manager, kernel_id=manager.kernel_id, kernel_spec=spec
        )
    else:
        early.process.kill()
        early.process.wait()
    return is_same
