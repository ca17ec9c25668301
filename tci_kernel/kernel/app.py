"""The application that starts the kernel: ipykernel's sockets and threads, our configuration."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator
from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp, kernel_aliases
from ipykernel.kernelbase import Kernel
from jupyter_client.session import Session
from traitlets import Bool, Dict, MetaHasTraits, default

from tci_kernel._version import __version__
from tci_kernel.config.arguments import sift
from tci_kernel.config.settings import COMMAND_LINE, Layer, Settings, merged
from tci_kernel.core.text import wrapped
from tci_kernel.kernel.catalogue import catalogue
from tci_kernel.kernel.kernel import TCIKernel

# The status with which a process ends whose command line or configuration is wrong.
USAGE = 2

_ALIASES = ("f", "hb", "shell", "iopub", "stdin", "control", "ip", "transport", "log-level")


class TCIKernelApp(IPKernelApp):
    """Starts a `TCIKernel`.

    It reads `tci_kernel_config.py` from Jupyter's config path, touches no IPython profile, and
    leaves out the shell that IPKernelApp would set up: nothing of the user's runs here.

    Attributes:
        settings: what can be set, and what the files and the command line set of it.
        problems: what they set that can't be used, in lines for the user.
    """

    name = "tci-kernel"
    version = __version__
    description = "A Jupyter kernel whose cells run in Together's code interpreter."
    examples = ""
    classes: list[MetaHasTraits] = [TCIKernel, Session]  # noqa: RUF012
    aliases = Dict(
        {name: kernel_aliases[name] for name in _ALIASES}
        | {"session": "TCIKernel.session_id", "base-url": "TCIClient.base_url"}
    )
    flags = Dict(
        {
            "local": (
                {"TCIKernel": {"local": True}},
                "Run the cells in a local server embedded in the kernel: no key, no network.",
            ),
            "debug": ({"Application": {"log_level": 10}}, "Log at debug level."),
            "generate-config": (
                {"TCIKernelApp": {"generate_config": True}},
                "Write a configuration file that shows every setting, and end.",
            ),
            "y": ({"TCIKernelApp": {"answer_yes": True}}, "Answer yes to any prompts."),
            "show-config": (
                {"TCIKernelApp": {"show_config": True}},
                "Show each setting, its value and where that comes from, and end.",
            ),
            "show-config-json": (
                {"TCIKernelApp": {"show_config_json": True}},
                "The same for programs, as JSON.",
            ),
        }
    )
    subcommands = Dict()

    generate_config = Bool(help="Write a configuration file, and end.").tag(config=True)
    answer_yes = Bool(help="Answer yes to any prompts.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = Settings(catalogue(lambda: type(self)))
        self.problems: list[str] = []
        self.log.addFilter(_is_harmless)

    @default("outstream_class")
    def _outstream_class_default(self) -> None:
        """Leave stdout and stderr alone: nothing of the user's is printed in this process.

        The base class's own streams are flushed after a shutdown was answered, which blocks where
        the thread behind them has ended before.
        """

    @default("kernel_class")
    def _kernel_class_default(self) -> type[Kernel]:
        return TCIKernel

    def parse_command_line(self, argv: list[str] | None = None) -> None:
        """Take what can be used of the command line.

        A client that starts a kernel names a connection file. Without one a person did, who reads
        at once what is wrong.
        """
        argv = sys.argv[1:] if argv is None else argv
        good, self.problems = sift(argv, self.aliases, self.flags, self.settings.catalogue)
        super().parse_command_line(good)
        if self.problems and not self.connection_file:
            print(*map(wrapped, self.problems), sep="\n", file=sys.stderr)
            self.exit(USAGE)
        if self.generate_config:
            from tci_kernel.config import configfile  # noqa: PLC0415

            classes = self.settings.catalogue.classes()
            self.exit(configfile.write(classes, overwrite=self.answer_yes))

    # The signature is that of IPython's application, which differs from that of traitlets.
    def load_config_file(self, suppress_errors: bool | None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Load `tci_kernel_config.py` or `.json` from every directory of Jupyter's config path."""
        layers, problems = self.settings.catalogue.read_files()
        self.problems += problems
        layers.append(Layer(COMMAND_LINE, self.cli_config))
        self.settings = Settings(self.settings.catalogue, layers)
        for problem in self.problems:
            self.log.warning("%s", problem)
        self.update_config(merged(layers))
        if self.show_config:
            from tci_kernel.config import configfile  # noqa: PLC0415

            configfile.show(self.settings.in_force(), as_json=self.show_config_json)
            self.exit()

    def emit_help(self, classes: bool = False) -> Generator[str, None, None]:
        """Give the lines of the help; with `classes`, of all settings."""
        known = {cls.__name__ for cls in self.classes}
        ours = self.settings.catalogue.classes()
        self.classes = [*self.classes, *(cls for cls in ours if cls.__name__ not in known)]
        yield from super().emit_help(classes)

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
        """Make the kernel, and have its user read what is wrong with the settings."""
        super().init_kernel()
        if self.problems:
            self.kernel.show_with_next_cell(
                ["Settings that can't be used, and are left out:", *map(wrapped, self.problems)]
            )

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


def _is_harmless(record: logging.LogRecord) -> bool:
    """Whether a log record has no copy of a message or of the configuration.

    At debug level the base classes log every request with its code, and the configuration, which
    may hold a key; they log malformed messages at error level.
    """
    is_copy = record.levelno <= logging.DEBUG or record.msg == "%s"
    return record.module not in ("kernelbase", "application") or not is_copy
