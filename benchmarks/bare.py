"""The floor: ipykernel's application and base class around a kernel that does nothing.

It leaves out what no remote kernel needs, the debugger and IPython's shell. What a kernel on
ipykernel takes to start, and holds when it has, can't be less.
"""

from __future__ import annotations

from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class BareKernel(Kernel):
    """A kernel whose cells do nothing."""

    implementation = "bare"
    implementation_version = "1"
    banner = ""
    language_info = {"name": "python", "mimetype": "text/x-python", "file_extension": ".py"}  # noqa: RUF012

    @property
    def kernel_info(self) -> dict[str, Any]:
        """What the base class answers, without asking for a debugger."""
        return {
            "protocol_version": "5.3",
            "implementation": self.implementation,
            "implementation_version": self.implementation_version,
            "language_info": self.language_info,
            "banner": self.banner,
        }

    async def do_execute(self, *_cell: Any, **_options: Any) -> dict[str, Any]:
        """Run nothing."""
        return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}


class BareApp(IPKernelApp):
    """Starts the kernel, without a profile, a debugger and a shell."""

    kernel_class = BareKernel

    def init_profile_dir(self) -> None:
        """Have no profile."""
        self.profile_dir = None

    def init_config_files(self) -> None:
        """Have no configuration."""

    def load_config_file(self, suppress_errors: bool | None = None) -> None:  # type: ignore[override]
        """Have no configuration."""

    def init_pdb(self) -> None:
        """Have no debugger."""

    def init_path(self) -> None:
        """Import nothing of the user's."""


if __name__ == "__main__":
    BareApp.launch_instance()
