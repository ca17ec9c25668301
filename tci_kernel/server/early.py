"""Starts the interpreter of `tci-local` before anything else is imported, and beside that.

Both take a third of a second. What it is started with are the defaults; where the configuration,
which is read later, says something else, it is ended and another one is started.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tci_kernel.core.errors import ConfigurationError
from tci_kernel.server import environment, janitor_process
from tci_kernel.server.root import make_root
from tci_kernel.server.session_ids import new_session_id

# The kernelspec that runs code where nothing else is set, and its command where no file has it.
KERNEL_NAME = "python3"
_COMMAND = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]

# Names of the interpreter's sockets: they are files, and so can't be taken by others.
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")

# Begin options by which something else may be wanted than what is started.
_SETTINGS = ("--LocalServer", "--config")


class EarlyInterpreter:
    """An interpreter that was started before the server that it is for.

    Attributes:
        root: the private directory of that server.
        session_id: of the session that it is for, the first one.
        connection_file: where its sockets are written down.
        command: what it was started with.
        process: it.
    """

    def __init__(self) -> None:
        self.root = make_root()
        self.session_id = new_session_id()
        directory = self.root / "1"
        variables = environment.prepared(
            directory,
            self.session_id,
            {janitor_process.ROOT_VARIABLE: str(self.root)},
            uses_profile=False,
        )
        self.connection_file = directory / "kernel.json"
        self.connection_file.write_text(json.dumps(_connection(directory)))
        self.connection_file.chmod(0o600)
        self.command = _command(self.connection_file)
        with (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the kernelspec's own
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # It ends with this process, should that be killed.
                env={**variables, "JPY_PARENT_PID": str(os.getpid())},
                start_new_session=True,
            )

    def discard(self) -> None:
        """End it, and remove what there is of it."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)


_started: list[EarlyInterpreter] = []


def begin(arguments: Sequence[str]) -> None:
    """Start an interpreter, if a command line is that of `tci-local` as it is installed.

    Args:
        arguments: of this process.
    """
    is_kernel = "--local" in arguments and "-f" in arguments
    if not is_kernel or any(one.startswith(_SETTINGS) for one in arguments):
        return
    with suppress(OSError, ValueError, ConfigurationError):  # whoever needs one says what is wrong
        _started.append(EarlyInterpreter())
        atexit.register(_discard)


def take() -> EarlyInterpreter | None:
    """Give the interpreter that was started, once."""
    return _started.pop() if _started else None


def _discard() -> None:
    for interpreter in _started:
        interpreter.discard()


def _connection(directory: Path) -> dict[str, str | int]:
    """What a connection file says whose sockets are files of a directory."""
    ports = {name: number for number, name in enumerate(_PORTS, 1)}
    return {
        **ports,
        "ip": str(directory / "k"),
        "key": secrets.token_hex(32),
        "transport": "ipc",
        "signature_scheme": "hmac-sha256",
        "kernel_name": KERNEL_NAME,
    }


def _command(connection_file: Path) -> list[str]:
    """The command of the environment's own kernelspec, as Jupyter makes it of that."""
    template = _COMMAND
    with suppress(OSError):
        text = Path(sys.prefix, "share/jupyter/kernels", KERNEL_NAME, "kernel.json").read_text()
        template = [str(part) for part in json.loads(text)["argv"]]
    program, *rest = template
    version = sys.version_info
    own = {"python", f"python{version[0]}", f"python{version[0]}.{version[1]}"}
    program = sys.executable if program in own else program
    return [program, *(part.replace("{connection_file}", str(connection_file)) for part in rest)]
