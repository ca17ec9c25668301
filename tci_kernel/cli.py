"""The command `tci-kernel` and its sub-commands. Each imports what it needs when it is called."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from tci_kernel import __version__
from tci_kernel.errors import ConfigurationError

_OWN_OPTIONS = ("-h", "--help", "--version")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a sub-command; options alone start the kernel, as kernelspecs do.

    Exits with 0, or with 2 after a line that says what is wrong.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] == "kernel":
        return _run_kernel(arguments[1:])
    if arguments and arguments[0].startswith("-") and arguments[0] not in _OWN_OPTIONS:
        return _run_kernel(arguments)
    parser = _parser()
    options = parser.parse_args(arguments or ["--help"])
    try:
        options.run(options)
    except ConfigurationError as error:
        parser.exit(2, f"tci-kernel: {error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tci-kernel",
        description="A Jupyter kernel whose cells run in Together's code interpreter.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True)
    commands.add_parser("kernel", help="start the kernel (what kernelspecs call)", add_help=False)

    install = commands.add_parser(
        "install", help="write the kernelspecs with this interpreter's absolute path"
    )
    _add_place(install)
    install.add_argument("--display-name", metavar="D", help="what a launcher shows")
    install.set_defaults(run=_install)

    uninstall = commands.add_parser("uninstall", help="remove what install wrote")
    _add_place(uninstall)
    uninstall.set_defaults(run=_uninstall)

    serve = commands.add_parser(
        "serve",
        help="run the local server alone",
        description="Run the local server. Its first line on stdout is the base URL.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    serve.add_argument("--port", type=_port, default=0, help="default: a free one")
    serve.add_argument(
        "--token",
        default=os.environ.get("TCI_SERVER_TOKEN", ""),
        metavar="T",
        help="what callers must send; the environment variable TCI_SERVER_TOKEN keeps it out of "
        "the list of processes",
    )
    serve.add_argument(
        "--session-lifetime",
        type=_seconds,
        metavar="S",
        help="seconds; default: an hour",
    )
    serve.add_argument(
        "--max-sessions",
        type=_count,
        metavar="N",
        help="default: 64",
    )
    serve.add_argument("--kernel-name", metavar="K", help="default: python3")
    serve.set_defaults(run=_serve)
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--user", action="store_true", help="in the user's Jupyter directory")
    place.add_argument(
        "--sys-prefix",
        action="store_const",
        const=sys.prefix,
        dest="prefix",
        help="in this Python environment",
    )
    place.add_argument("--prefix", metavar="P", help="in share/jupyter below P")
    parser.add_argument(
        "--name", default="tci", metavar="N", help="the kernel's name; the local one is N-local"
    )


def _port(text: str) -> int:
    with suppress(ValueError):
        if 0 <= int(text) <= 65_535:  # noqa: PLR2004 - the range of TCP's ports
            return int(text)
    raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError("give a number of seconds above 0")


def _count(text: str) -> int:
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError("give a whole number above 0")


def _install(options: argparse.Namespace) -> None:
    from tci_kernel import kernelspec  # noqa: PLC0415

    for path in kernelspec.install(
        user=options.user,
        prefix=options.prefix,
        name=options.name,
        display_name=options.display_name,
    ):
        print(f"Installed {path}")


def _uninstall(options: argparse.Namespace) -> None:
    from tci_kernel import kernelspec  # noqa: PLC0415

    for path in kernelspec.uninstall(user=options.user, prefix=options.prefix, name=options.name):
        print(f"Removed {path}")


def _serve(options: argparse.Namespace) -> None:
    from tci_kernel import settings  # noqa: PLC0415
    from tci_kernel.local.server import LocalServer, serve  # noqa: PLC0415

    names = ("session_lifetime", "max_sessions", "kernel_name")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    server = LocalServer(config=settings.load(), **given)
    asyncio.run(serve(server, host=options.host, port=options.port, token=options.token))


def _run_kernel(arguments: list[str]) -> None:
    from tci_kernel.app import TCIKernelApp  # noqa: PLC0415

    TCIKernelApp.launch_instance(arguments)
