"""The application that starts the kernel: ipykernel's sockets and threads, our configuration."""

from __future__ import annotations

import logging
from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp, kernel_aliases
from ipykernel.kernelbase import Kernel
from jupyter_client.session import Session
from jupyter_core.paths import jupyter_config_path
from traitlets import Dict, MetaHasTraits, default
from traitlets.config import Application

from tci_kernel import __version__
from tci_kernel.client import TCIClient
from tci_kernel.kernel import TCIKernel

_ALIASES = ("f", "hb", "shell", "iopub", "stdin", "control", "ip", "transport", "log-level")


class TCIKernelApp(IPKernelApp):
    """Starts a `TCIKernel`.

    It reads `tci_kernel_config.py` from Jupyter's config path, touches no IPython profile, and
    leaves out the shell that IPKernelApp would set up: nothing of the user's runs here.
    """

    name = "tci-kernel"
    version = __version__
    description = "A Jupyter kernel whose cells run in Together's code interpreter."
    examples = ""
    classes: list[MetaHasTraits] = [TCIKernel, TCIClient, Session]  # noqa: RUF012
    aliases = Dict(
        {name: kernel_aliases[name] for name in _ALIASES} | {"session": "TCIKernel.session_id"}
    )
    flags = Dict(
        {
            "local": (
                {"TCIKernel": {"local": True}},
                "Run the cells in a local server embedded in the kernel: no key, no network.",
            ),
            "debug": ({"Application": {"log_level": 10}}, "Log at debug level."),
        }
    )
    subcommands = Dict()

    @default("outstream_class")
    def _outstream_class_default(self) -> None:
        """Leave stdout and stderr alone: nothing of the user's is printed in this process.

        The base class's own streams are flushed after a shutdown was answered, which blocks where
        the thread behind them has ended before.
        """

    @default("kernel_class")
    def _kernel_class_default(self) -> type[Kernel]:
        return TCIKernel

    # The signature is that of IPython's application, which differs from that of traitlets.
    def load_config_file(self, suppress_errors: bool | None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Load `tci_kernel_config.py` or `.json` from every directory of Jupyter's config path."""
        Application.load_config_file(self, "tci_kernel_config", path=jupyter_config_path())

    def init_profile_dir(self) -> None:
        """Go without an IPython profile."""
        self.profile_dir = None

    def init_config_files(self) -> None:
        """Stage no config files in a profile."""

    def init_pdb(self) -> None:
        """Leave pdb alone: no user code is debugged in this process."""

    def init_path(self) -> None:
        """Leave `sys.path` alone: no user code is imported in this process."""

    def init_kernel(self) -> None:
        """Make the kernel, and keep users' code out of its log."""
        self.log.addFilter(_is_free_of_code)
        super().init_kernel()

    def init_signal(self) -> None:
        """Leave SIGINT to `TCIKernel.start`."""

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """Open the IOPub channel without a limit on queued messages.

        A cell's outputs are published in one burst; beyond ZeroMQ's default of 1,000 queued
        messages a publishing socket drops without a word.
        """
        context.setsockopt(zmq.SNDHWM, 0)
        super().init_iopub(context)

    def start(self) -> None:
        """Run until a shutdown; then end the threads that publish, before any socket closes.

        The base class ends the IOPub thread first, at exit, and closes sockets that the control
        thread may be sending on: libzmq answers that with an abort of the process, or a hang.
        """
        super().start()
        for thread in (self.control_thread, self.shell_channel_thread):
            if thread is not None and thread.is_alive():
                thread.stop()
                thread.join()


def _is_free_of_code(record: logging.LogRecord) -> bool:
    """Whether a log record is none of the base class's copies of whole messages.

    At debug level it logs every request with its code, and malformed ones at error level.
    """
    is_copy = record.levelno <= logging.DEBUG or record.msg == "%s"
    return record.module != "kernelbase" or not is_copy
