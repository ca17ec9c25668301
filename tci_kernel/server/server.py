"""Starts and stops a local server: embedded in a kernel's process, or alone."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from tornado.netutil import bind_sockets
from traitlets import Bool, Enum, Float, Int, Unicode
from traitlets.config import Configurable

from tci_kernel.client.schema import SessionInfo
from tci_kernel.config.kernelspecs import is_ours
from tci_kernel.config.traits import Seconds
from tci_kernel.core.addresses import is_loopback, url
from tci_kernel.core.errors import ConfigurationError
from tci_kernel.server import early, limits
from tci_kernel.server.connections import BoundedServer
from tci_kernel.server.early import EarlyInterpreter
from tci_kernel.server.exchange_request import ExchangeRequest
from tci_kernel.server.handlers import make_app
from tci_kernel.server.local_supply import LocalSupply
from tci_kernel.server.machine import InterpreterOptions, Machine
from tci_kernel.server.places import requirements
from tci_kernel.server.places.bubblewrap import Limits
from tci_kernel.server.places.foreign import is_foreign
from tci_kernel.server.ray import start
from tci_kernel.server.sessions import SessionPool
from tci_kernel.server.workspace import WorkspaceSupply

# Seconds that a session lives where nothing else is said: the service's documented 60 minutes.
SESSION_LIFETIME = 3600.0

# Seconds for an embedded server's sessions, which end with their kernel and cost nothing.
EMBEDDED_LIFETIME = 30 * 24 * 3600.0


class LocalServer(Configurable):
    """A server on this computer that speaks the service's API.

    It answers after `start` or `embed`, until `aclose`.

    Attributes:
        base_url: where it answers, with its version path.
        token: what callers must send as a bearer token; empty if anything will do.
        most_sessions: how many may live at once: `max_sessions`, or as many as the system grants.
    """

    session_lifetime = Seconds(
        None,
        allow_none=True,
        help="Seconds that a session lives. By default an hour in a server that runs alone, which "
        "is the service's documented lifetime, and 30 days in one that is embedded in a kernel: "
        "its sessions end with the kernel and cost nothing.",
    ).tag(config=True)

    max_sessions = Int(
        64,
        min=1,
        help="How many sessions may live at once; each is a process of some 60 MB. A server that "
        "runs alone keeps one more process ready for the next session, unless it has as many "
        "sessions as it may.",
    ).tag(config=True)

    kernel_name = Unicode("python3", help="The kernelspec that runs the code of each session.").tag(
        config=True
    )

    sandbox = Bool(
        False,
        help="Shut each session in, with bubblewrap: files of its own, nothing of this computer's. "
        "On Linux alone.",
    ).tag(config=True)

    sandbox_network = Bool(
        False, help="Whether sessions in a sandbox reach what this computer reaches."
    ).tag(config=True)

    sandbox_memory = Int(
        4_000_000_000, min=1, help="Bytes of memory that a session in a sandbox may have."
    ).tag(config=True)

    sandbox_processes = Int(
        256, min=1, help="How many processes and threads a session in a sandbox may have at once."
    ).tag(config=True)

    sandbox_files = Int(
        1_000_000_000,
        min=1,
        help="Bytes of the files of a session in a sandbox, which are kept in memory: so many in "
        "/tmp, with its working directory, and as many in /dev/shm.",
    ).tag(config=True)

    directory = Enum(
        ("notebook", "private"),
        default_value="notebook",
        help="Where the cells of an embedded server work: in the directory of the notebook, as "
        "with ipykernel, or in an empty one of the session's own, which ends with it. Sessions of "
        "a server that runs alone, and those in a sandbox, have one of their own.",
    ).tag(config=True)

    use_profile = Bool(
        False,
        help="Let the cells of an embedded server see your IPython profile, with its start-up "
        "files and its history.",
    ).tag(config=True)

    ray = Unicode(
        "",
        help="Run each session as an actor of the Ray cluster at this address, such as "
        "`10.0.0.1:6379`, or of one that is started on this computer, `local`. Only a server that "
        "runs alone does so.",
    ).tag(config=True)

    ray_wait = Seconds(
        30.0, help="Seconds that a new session waits for room in the Ray cluster."
    ).tag(config=True)

    session_cpus = Float(
        1.0, min=0, help="CPUs that Ray sets aside for a session, such as 0.25."
    ).tag(config=True)

    session_memory = Int(
        0, min=0, help="Bytes of memory that Ray sets aside for a session; 0 sets none aside."
    ).tag(config=True)

    session_gpus = Float(0.0, min=0, help="GPUs that Ray gives a session.").tag(config=True)

    _http: BoundedServer
    _pool: SessionPool
    _machine: Machine | None
    base_url: str
    token: str
    most_sessions: int

    def start(self, *, host: str = "127.0.0.1", port: int = 0, token: str = "") -> None:
        """Begin to answer, on the running event loop, and start an interpreter ahead of need.

        Args:
            host: a name or address to bind to.
            port: a TCP port; 0 takes a free one.
            token: what callers must send; needed off loopback.

        Raises:
            ConfigurationError: it would be open to the network, or can't start; says why.
        """
        if not token and not is_loopback(host):
            raise ConfigurationError(
                f"{host} can be reached from other machines: give a token (--token T, or the "
                "environment variable TCI_SERVER_TOKEN), or bind to 127.0.0.1."
            )
        self._listen(host, port, token)
        self._pool.keep_spare()

    def _listen(self, host: str, port: int, token: str, *, is_embedded: bool = False) -> None:
        lifetime = self.session_lifetime or SESSION_LIFETIME
        _check_lifetime(lifetime)
        _check_kernelspec(self.kernel_name)
        self._check_sandbox()
        try:
            sockets = bind_sockets(port, host)
        except OSError as error:
            raise ConfigurationError(f"Can't listen on {host}:{port}: {error.strerror}.") from error
        files = limits.raise_file_limit()
        supply = self._supply(files, is_embedded=is_embedded)
        self._pool = SessionPool(supply, lifetime=lifetime, max_sessions=self.most_sessions)
        app = make_app(self._pool, host=host, token=token or None)
        self._http = BoundedServer(app, limits.connections_for(files))
        app.settings["connections"] = self._http
        self._http.add_sockets(sockets)
        self.base_url = url(host, sockets[0].getsockname()[1])
        self.token = token

    def _check_sandbox(self) -> None:
        if self.sandbox_network and not self.sandbox:
            raise ConfigurationError(
                "A network for sandboxes needs a sandbox: without one, code has the network.",
                advice="Add --sandbox, or c.LocalServer.sandbox = True.",
            )
        if self.sandbox and is_foreign(self.kernel_name):
            raise ConfigurationError(
                f"The kernelspec {self.kernel_name!r} names a provisioner of its own: what that "
                "starts can't be shut in.",
                advice="Leave out --sandbox, or name another kernelspec.",
            )
        if self.sandbox:
            requirements.check(self._limits)

    @property
    def _limits(self) -> Limits:
        return Limits(
            memory=self.sandbox_memory,
            processes=self.sandbox_processes,
            files=self.sandbox_files,
            has_network=self.sandbox_network,
        )

    def _early(self) -> EarlyInterpreter | None:
        """The interpreter that was started ahead, if it is what the first session is to have."""
        first = early.take()
        is_as_set = not (self.sandbox or self.use_profile) and self.directory == "notebook"
        if first is None or (is_as_set and self.kernel_name == early.KERNEL_NAME):
            return first
        first.discard()
        return None

    def _supply(self, files: int, *, is_embedded: bool) -> WorkspaceSupply:
        """Where sessions are: in this process, or in a Ray cluster."""
        shares_directory = is_embedded and self.directory == "notebook"
        options = InterpreterOptions(
            self.kernel_name,
            self._limits if self.sandbox else None,
            directory=Path.cwd() if shares_directory else None,
            uses_profile=is_embedded and self.use_profile,
        )
        if self.ray and not is_embedded:
            self.most_sessions, self._machine = self.max_sessions, None
            resources = start.Resources(self.session_cpus, self.session_memory, self.session_gpus)
            return start.supply(self.ray, options, resources, cast(float, self.ray_wait))
        self.most_sessions = min(self.max_sessions, limits.sessions_for(files))
        first = self._early() if is_embedded else None
        self._machine = Machine(options, self.most_sessions, early=first)
        return LocalSupply(self._machine, "" if first is None else first.session_id)

    @classmethod
    def embed(cls, parent: Configurable | None = None) -> LocalServer:
        """Start a server for this process alone: on loopback, with a random token.

        Its only session, as a rule, is opened ahead of need; so it keeps no other interpreter.

        Args:
            parent: whose configuration it takes.

        Raises:
            ConfigurationError: as `start`.
        """
        server = cls(parent=parent)
        server.session_lifetime = server.session_lifetime or EMBEDDED_LIFETIME
        server._listen("127.0.0.1", 0, secrets.token_urlsafe(32), is_embedded=True)
        return server

    async def open_session(self) -> str:
        """Start a session without running code in it, and give its id."""
        return (await self._pool.create()).id

    async def exchange(self, session_id: str, text: str) -> str:
        """Make an exchange, as `POST /tci/sessions/{id}/exchange` does.

        Args:
            session_id: the session.
            text: the request's body.

        Raises:
            RequestRejected: see `openapi.yaml`.
        """
        return await self._pool.exchange(session_id, ExchangeRequest.from_json(json.loads(text)))

    def sessions(self) -> list[SessionInfo]:
        """The live sessions, oldest first."""
        return self._pool.live_sessions()

    def adopt_orphans(self) -> None:
        """End what code starts with its session, also where its interpreter has died first.

        For a process that has no children but those of this server.
        """
        if self._machine is not None:
            self._machine.adopt_orphans()

    async def aclose(self) -> None:
        """Stop: no process and no directory is left."""
        self._http.stop()
        await self._pool.close()
        await self._http.close_all_connections()
        if self._machine is not None:
            await asyncio.to_thread(self._machine.close)


def _check_lifetime(seconds: float) -> None:
    try:
        datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ConfigurationError(f"{seconds} seconds are beyond all calendars.") from error


def _check_kernelspec(kernel_name: str) -> None:
    manager = KernelSpecManager()
    try:
        spec = manager.get_kernel_spec(kernel_name)
    except NoSuchKernel as error:
        known = ", ".join(sorted(manager.find_kernel_specs()))
        raise ConfigurationError(
            f"There is no kernel {kernel_name!r}. There are: {known}."
        ) from error
    if is_ours(Path(spec.resource_dir)):
        raise ConfigurationError(
            f"The kernel {kernel_name!r} is tci-kernel itself: it would start one after another.",
            advice="Name another one in LocalServer.kernel_name.",
        )
