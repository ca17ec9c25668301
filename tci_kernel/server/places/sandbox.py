"""Interpreters that are shut in: with files of their own, and nothing of this computer's."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import rmtree, which
from typing import Any

import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager

from tci_kernel.server.environment import IPYTHON_CONFIG
from tci_kernel.server.janitor import Janitor
from tci_kernel.server.places import asked, bubblewrap
from tci_kernel.server.places.base import QuietRun
from tci_kernel.server.places.host import LOG_TAIL
from tci_kernel.server.places.installation import hidden_in, readable_for
from tci_kernel.server.places.provisioner import SandboxProvisioner
from tci_kernel.server.places.supervisor import Supervisor, supervised

# Where the server is root, interpreters are users of these numbers, which systemd, too, gives to
# who has none of his own: https://systemd.io/UIDS-GIDS
_FIRST_UID = 61184
_UIDS = 4336

_USERS_FILE = "session:x:{uid}:{uid}::/tmp:/bin/sh\n"

_PATH = "/usr/local/bin:/usr/bin:/bin"

# Bytes that a pipe holds, on Linux.
_PIPE_SIZE = 65_536


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What holds for all sandboxes of a server.

    Attributes:
        kernel_name: the kernelspec of the interpreters.
        limits: what each sandbox may use.
        root: a private directory of the server.
        janitor: told of each sandbox.
    """

    kernel_name: str
    limits: bubblewrap.Limits
    root: Path
    janitor: Janitor


class SandboxPlace:
    """A sandbox: `/tmp`, which begins empty and lies in memory, and programs that can be read.

    Args:
        options: as above.
        session_id: see `Place`.
        number: see `Maker`.
    """

    is_contained = True
    is_here = True

    def __init__(self, options: SandboxOptions, session_id: str, number: int) -> None:
        self.session_id = session_id
        self._kernel_name = options.kernel_name
        self._limits = options.limits
        self._uid = _FIRST_UID + number % _UIDS
        # What the server writes for the interpreter to read.
        self._outside = options.root / str(number)
        self._connection_file = self._outside / "kernel.json"
        self._given = self._outside / "given"
        self._inside = f"/tmp/tci-{secrets.token_hex(8)}"  # noqa: S108 - in a /tmp of its own
        self._working_directory = f"/tmp/{session_id}"  # noqa: S108 - as above
        self._log: int | None = None
        self._supervisor = Supervisor(self._inside, options.janitor)

    @property
    def keeps_files(self) -> bool:
        """See `Place`."""
        return self._supervisor.is_alive

    def make_manager(self, context: zmq.asyncio.Context) -> AsyncKernelManager:
        """See `Place`."""
        manager = AsyncKernelManager(
            kernel_name=self._kernel_name,
            context=context,
            transport="ipc",
            ip=f"{self._inside}/k",
            connection_file=str(self._connection_file),
        )
        self._manager = manager
        self._provisioner = manager.provisioner = SandboxProvisioner(
            self._supervisor, self._wrap, self._hand_over, self._limits.memory, parent=manager
        )
        return manager

    def _wrap(self, command: list[str], info: int) -> list[str]:
        """The command line that runs a command in the sandbox."""
        readable = readable_for(command[0])
        spec = self._provisioner.kernel_spec.resource_dir
        # Programs of the interpreter that are not installed.
        named = {argument: argument for argument in command[1:] if _is_file(argument)}
        named.pop(str(self._connection_file), None)
        # Older ipykernels, 6.17 for one, remove the file and write it again.
        connection_file = f"{self._inside}/kernel.json"
        view = bubblewrap.View(
            readable=(*readable, spec) if Path(spec).is_dir() else readable,
            hidden=hidden_in(readable),
            directories=self._directories(),
            files=named
            | {
                f"{self._inside}/given": str(self._given),
                f"{self._profile}/ipython_config.json": str(self._outside / "ipython_config.json"),
                "/etc/passwd": str(self._outside / "passwd"),
            },
        )
        inside = [
            argument.replace(str(self._connection_file), connection_file) for argument in command
        ]
        return bubblewrap.command(
            supervised(self._inside, inside),
            view=view,
            limits=self._limits,
            working_directory=self._working_directory,
            uid=self._uid,
            info=info,
        )

    def _hand_over(self) -> None:
        """Give the connection file to the user who is inside. Jupyter goes on to write to its own.

        Raises:
            OSError: there is no room for it.
        """
        given = self._given / self._connection_file.name
        given.unlink(missing_ok=True)
        given.touch(mode=0o600)
        given.write_bytes(self._connection_file.read_bytes())
        if bubblewrap.can_become(self._uid):
            os.chown(given, self._uid, self._uid)

    @property
    def _profile(self) -> str:
        return f"{self._inside}/ipython/profile_default"

    def _directories(self) -> list[str]:
        """Those that are made inside, outer ones first."""
        jupyter, ipython = f"{self._inside}/jupyter", f"{self._inside}/ipython"
        return [self._working_directory, self._inside, jupyter, ipython, self._profile]

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """See `Place`."""
        self._provisioner.kernel_spec = self._manager.kernel_spec  # raises where there is none now
        if self._supervisor.is_alive:
            self.log()  # of the interpreter before: a pipe that is full would stop this one
            yield {}
            return
        self.close()
        self._given.mkdir(parents=True)
        (self._outside / "ipython_config.json").write_text(IPYTHON_CONFIG)
        uid = self._uid if bubblewrap.can_become(self._uid) else os.getuid()
        (self._outside / "passwd").write_text(_USERS_FILE.format(uid=uid))
        # A file would let what runs inside fill a disk. A pipe that nobody reads is full soon.
        self._log, writing = os.pipe()
        os.set_blocking(self._log, False)
        try:
            program = self._manager.format_kernel_cmd()[0]
            environment = self._environment(which(program) or program)
            yield {"env": environment, "stderr": writing}
        finally:
            os.close(writing)

    def _environment(self, program: str) -> dict[str, str]:
        """All variables of the interpreter, but for those of its kernelspec.

        Args:
            program: where it is; `python` and `pip` in the shell are those beside it.
        """
        return {
            "HOME": "/tmp",  # noqa: S108 - in a /tmp of its own
            "IPYTHONDIR": f"{self._inside}/ipython",
            "JUPYTER_RUNTIME_DIR": f"{self._inside}/jupyter",
            "LANG": "C.UTF-8",
            "LOGNAME": "session",
            "PATH": f"{Path(program).parent}:{_PATH}",
            "USER": "session",
        }

    async def enter(self, run: QuietRun) -> None:  # noqa: ARG002 - it was started there
        """See `Place`."""
        self._supervisor.has_answered = True

    async def leave(self, run: QuietRun) -> None:
        """See `Place`: all ends with it."""

    def log(self) -> str:
        """See `Place`."""
        printed = b""
        if self._log is not None:
            with suppress(BlockingIOError):
                printed = os.read(self._log, _PIPE_SIZE)
        return printed[-LOG_TAIL:].decode(errors="replace")

    def end_reason(self) -> str:
        """See `Place`."""
        return self._provisioner.end_reason

    async def write(self, files: Sequence[tuple[PurePosixPath, bytes]], run: QuietRun) -> None:
        """See `Place`. The interpreter writes them: this process sees nothing that is inside."""
        await asked.write(self._working_directory, files, run)

    def sweep(self) -> None:
        """See `Place`. The supervisor has done it."""

    def close(self) -> None:
        """See `Place`."""
        self._supervisor.close()
        if self._log is not None:
            os.close(self._log)
            self._log = None
        rmtree(self._outside, ignore_errors=True)


def _is_file(argument: str) -> bool:
    """Whether an argument of a command is the whole path of a file."""
    return argument.startswith("/") and Path(argument).is_file()
