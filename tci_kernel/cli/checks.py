"""What `tci-kernel doctor` looks at, in the order in which one thing needs the other."""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

from jupyter_client.kernelspec import KernelSpecManager
from packaging.requirements import Requirement
from traitlets.config import Config, Configurable

from tci_kernel._version import __version__
from tci_kernel.cli.common import CATALOGUE
from tci_kernel.client import keys
from tci_kernel.client.client import TCIClient
from tci_kernel.client.failures import failure
from tci_kernel.client.transport import proxy_for, split_url, tls_context
from tci_kernel.config import kernelspecs
from tci_kernel.config.environment import install_command
from tci_kernel.config.settings import Settings, merged
from tci_kernel.core.cell import Cell
from tci_kernel.core.errors import ConfigurationError, Interrupted, TCIError
from tci_kernel.core.messages import Message
from tci_kernel.runtime import Runtime

LOGOS = ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg")

_NO_KEY = "there is no key"

# Nothing of it is left in the session, and it takes an interpreter to get it right.
_CODE, _EXPECTED = "print(6 * 7)", "42\n"


@dataclass(frozen=True, slots=True)
class Check:
    """What came of looking at one thing.

    Attributes:
        name: what was looked at.
        status: `ok`, `failed` or `skipped`.
        detail: what was found.
        advice: what to do about it, a command indented in a line of its own; may be empty.
    """

    name: str
    status: str
    detail: str
    advice: str = ""


class _Skipped(Exception):
    """There was nothing to look at. The second argument is advice."""


class Examination:
    """Looks at one thing after another.

    Args:
        execute: whether to run code at the service, which bills the session.
    """

    def __init__(self, *, execute: bool) -> None:
        self._execute = execute
        self._settings = Settings(CATALOGUE)
        self._config = Config()
        self._client = TCIClient()
        self._is_cut_off = False

    async def checks(self) -> AsyncIterator[Check]:
        """Look, and say what was found, one by one."""
        yield await self._check("Python", self._python)
        yield await self._check("packages", self._packages)
        yield await self._check("configuration", self._configuration)
        yield await self._check("kernelspecs", self._kernelspecs)
        yield await self._check("key", self._key)
        for name, look in (
            ("name resolution", self._name),
            ("TLS", self._tls),
            ("service", self._service),
            ("session", self._session),
        ):
            found = await self._check(name, self._reachable(look))
            self._is_cut_off = self._is_cut_off or found.status == "failed"
            yield found
        yield await self._check("tci-local", self._local)
        await self._client.aclose()

    async def _check(self, name: str, look: Callable[[], Awaitable[str]]) -> Check:
        try:
            return Check(name, "ok", await look())
        except _Skipped as skipped:
            return Check(name, "skipped", *skipped.args)
        except Interrupted:
            raise
        except TCIError as error:
            advice = " ".join(part for part in (error.fate, error.advice) if part)
            return Check(name, "failed", error.what, advice)

    def _reachable(self, look: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
        """A look at the service, which takes a key and the way there."""

        async def guarded() -> str:
            if not self._client.api_key:
                raise _Skipped(_NO_KEY)
            if self._is_cut_off:
                raise _Skipped("it needs what failed above")
            return await look()

        return guarded

    # -- this computer -----------------------------------------------------------------------

    async def _python(self) -> str:
        return f"{sys.version.split()[0]}, {sys.executable}"

    async def _packages(self) -> str:
        found, wrong, wanted = [f"tci-kernel {__version__}"], [], []
        for text in metadata.requires("tci-kernel") or ():
            needed = Requirement(text)
            if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
                continue
            try:
                version = metadata.version(needed.name)
            except metadata.PackageNotFoundError:
                wrong.append(f"{needed.name} is missing")
                wanted.append(text)
                continue
            found.append(f"{needed.name} {version}")
            if not needed.specifier.contains(version, prereleases=True):
                wrong.append(f"{needed.name} {version} is not {needed.specifier}")
                wanted.append(text)
        if wrong:
            command = install_command(*wanted)
            raise ConfigurationError("; ".join(wrong), advice=f"Run this:\n  {command}")
        return ", ".join(found)

    async def _configuration(self) -> str:
        layers, problems = CATALOGUE.read_files()
        self._settings = Settings(CATALOGUE, layers)
        self._config = merged(layers)
        self._client = TCIClient(config=self._config)
        if problems:
            raise ConfigurationError("\n".join(problems))
        return ", ".join(layer.source for layer in layers) or "no configuration file"

    async def _kernelspecs(self) -> str:
        specs = KernelSpecManager().find_kernel_specs()
        ours = {name: Path(place) for name, place in sorted(specs.items())}
        ours = {name: place for name, place in ours.items() if kernelspecs.is_ours(place)}
        if not ours:
            raise ConfigurationError(
                "Jupyter finds none here.", advice="Run 'tci-kernel install --user'."
            )
        wrong = [f"{name}: {what}" for name, place in ours.items() for what in _faults(place)]
        if wrong:
            raise ConfigurationError(
                "; ".join(wrong),
                advice="Run 'tci-kernel install' again, where it was installed.",
            )
        return ", ".join(f"{name} ({place})" for name, place in ours.items())

    # -- the service -------------------------------------------------------------------------

    async def _key(self) -> str:
        if self._client.api_key:
            in_force = self._settings.in_force()
            (source,) = (one.source for one in in_force if one.name == "TCIClient.api_key")
            return f"from: {source}"
        found = ""
        try:
            found = await keys.in_time(self._client.base_url)
            why = "neither set nor in the keyring"
        except ConfigurationError as error:
            why = f"not set. {error.what}"
        except TimeoutError:
            why = "not set. The keyring does not answer"
        if not found:
            raise _Skipped(
                why,
                "Run 'tci-kernel login' or set TOGETHER_API_KEY to use the kernel tci. "
                "The kernel tci-local needs no key.",
            )
        self._client.use_key(found, keys.KeyOrigin.KEYRING)
        return f"from: keyring ({keys.name()})"

    def _peer(self) -> tuple[str, int, str | None]:
        """Host and port that a connection is made to, and the proxy if that is what is there."""
        parts = split_url(self._client.base_url)
        proxy = proxy_for(self._client.base_url)
        if proxy:
            parts = urlsplit(proxy)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), proxy

    async def _name(self) -> str:
        host, port, proxy = self._peer()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._client.connect_timeout):
                found = await loop.getaddrinfo(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            said = f"{host!r} can't be resolved ({error})."
            raise failure("dns", said, runs_code=False) from error
        addresses = sorted({str(entry[4][0]) for entry in found})
        return f"{host}: {', '.join(addresses)}" + (" (a proxy)" if proxy else "")

    async def _tls(self) -> str:
        host, port, proxy = self._peer()
        if split_url(self._client.base_url).scheme != "https":
            raise _Skipped("the service's address begins with http://")
        if proxy:
            raise _Skipped("the connection goes through a proxy: the next check shows it")
        try:
            async with asyncio.timeout(self._client.connect_timeout):
                _, writer = await asyncio.open_connection(host, port, ssl=tls_context())
        except ssl.SSLError as error:
            said = f"{host}:{port} can't prove who it is ({error})."
            raise failure("tls", said, runs_code=False) from error
        except (OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            said = f"No connection to {host}:{port} ({reason})."
            raise failure("connect", said, runs_code=False) from error
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        return f"{version} with {host}:{port}"

    async def _service(self) -> str:
        sessions = await self._client.sessions()
        took = self._client.round_trip * 1000
        return f"{self._client.address} answers in {took:.0f} ms; sessions there: {len(sessions)}"

    async def _session(self) -> str:
        if not self._execute:
            raise _Skipped(
                "a session costs money", "'tci-kernel doctor --execute' runs code in one."
            )
        return await self._round_trip(local=False)

    async def _local(self) -> str:
        if self._client.api_key:
            raise _Skipped("there is a key")
        return f"{await self._round_trip(local=True)}, in a server on this computer"

    async def _round_trip(self, *, local: bool) -> str:
        """Run a cell in a session of its own."""
        parent = Configurable(config=self._config)
        runtime = Runtime(parent, local=local, session_id="", settings=self._settings)
        cell = Cell(_CODE)
        start = time.perf_counter()
        printed = ""
        try:
            await runtime.ensure_key(cell)
            async with aclosing(runtime.session.run(cell)) as messages:
                async for message in messages:
                    match message:
                        case Message("stream", {"text": text}):
                            printed += text
                        case Message("error", {"traceback": lines}):
                            printed += "\n".join(lines)
        finally:
            await runtime.aclose()
        if printed != _EXPECTED:
            raise failure("body", f"{_CODE} printed {printed!r}.")
        return f"a cell ran in {time.perf_counter() - start:.1f} s"


def _faults(place: Path) -> list[str]:
    """What is wrong with a kernelspec."""
    command = KernelSpecManager().get_kernel_spec(place.name).argv[0]
    # Jupyter puts its own interpreter in the place of this name.
    missing = [] if command == "python" or which(command) else [f"{command} does not exist"]
    return missing + [f"{logo} is missing" for logo in LOGOS if not (place / logo).is_file()]
