"""The group of all commands, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import click

from tci_kernel._version import __version__
from tci_kernel.cli.common import FAILED, INTERRUPTED, OK, SERVICE, USAGE
from tci_kernel.cli.doctor import doctor
from tci_kernel.cli.inspect import inspect
from tci_kernel.cli.kernelspecs import install, uninstall
from tci_kernel.cli.login import login, logout
from tci_kernel.cli.run import run as run_
from tci_kernel.cli.serve import serve
from tci_kernel.cli.sessions import sessions
from tci_kernel.core.errors import ConfigurationError, Interrupted, TCIError, UsageError
from tci_kernel.core.text import WIDTH, wrapped


@click.command(add_help_option=False)
def kernel() -> None:
    """Start the kernel. Kernelspecs do this."""


# The commands by what people do with them, in the order in which they meet them.
_GROUPS: Mapping[str, Sequence[click.Command]] = {
    "Run code": (run_, serve),
    "Status": (doctor, sessions, inspect),
    "The API key": (login, logout),
    "Kernels for Jupyter": (install, uninstall, kernel),
}


# Characters of a first sentence, beyond which click cuts it off.
_WHOLE = 1_000


class _Commands(click.Group):
    """The group, whose help lists the commands by what they are for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of the commands."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the lists of commands, with the whole first sentence of each."""
        for title, listed in _GROUPS.items():
            rows = [(str(one.name), one.get_short_help_str(limit=_WHOLE)) for one in listed]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
    epilog="""
\b
Examples:
  tci-kernel doctor                     what works here, and what to do about the rest
  tci-kernel login                      keep your API key in the system's keyring
  tci-kernel run analysis.py --days 14  run a script in a new session
  echo 'print(6 * 7)' | tci-kernel run --local -
\b
Options without a command are those of the kernel. 'tci-kernel kernel --help' has them:
  tci-kernel --generate-config          write a configuration file to edit
  tci-kernel --show-config              each setting, and where its value comes from
  tci-kernel --help-all                 each setting, and what it means
\b
A command ends with
  0    if it did what it was asked to
  1    if the code that it ran, or a check, failed
  2    if the command line, the configuration or the key is wrong or missing
  3    if the service can't be reached, or refuses
  130  if it was interrupted
A script that 'run' has run ends with its own status.
""",
)
@click.version_option(__version__, message="%(version)s")
def commands() -> None:
    """A Jupyter kernel whose cells run in Together's code interpreter."""


for listed in _GROUPS.values():
    for command in listed:
        commands.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Run a command and give the status to end with. What went wrong is said on stderr."""
    try:
        status = commands.main(list(arguments), prog_name="tci-kernel", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt, Interrupted):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except TCIError as error:
        click.echo(wrapped(f"tci-kernel: {error}"), err=True)
        return USAGE if isinstance(error, (ConfigurationError, UsageError)) else SERVICE
    except BrokenPipeError:
        # Whoever reads the output has had enough of it; at exit Python would flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status if isinstance(status, int) else OK
