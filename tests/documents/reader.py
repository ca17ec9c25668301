"""Somebody who follows a page: types its commands and runs its cells, in a directory of their own.

Nothing in a block is changed but the names that stand for others, a session's id and the address of
a server that somebody started by hand, and that pip installs nothing.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from tests.cli.commands import UNSET
from tests.documents.pages import ROOT
from tests.server.service import Service
from tests.support.environments import index
from tests.support.kernels import Answer, KernelDriver, kernel
from tests.support.keyrings import FileKeyring, backend
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

# What the pages name, beside what is in a clone.
FILES = Path(__file__).parent / "files"

SESSION = "ses_CVtmHZWnVBdtZnwbZNosk"
ADDRESS = "http://127.0.0.1:8321/v1"

# Commands that run until they are stopped, if a block ends with one, and what they say once up.
LASTING = {
    "jupyter lab": "/lab?token=",
    "jupyter console": "In [",
    "tci-kernel serve": "http://127.0.0.1:",
}

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# It runs as root where tests run in a container, and there is no browser to open.
_SERVER_CONFIG = "c.ServerApp.allow_root = True\nc.ServerApp.open_browser = False\n"


class Reader:
    """Follows one page.

    Args:
        directory: where to work and live; filled as a clone, with the reader's own files in it.
        server: the service that their environment names.
        stack: closes what the reader has opened.
    """

    def __init__(self, directory: Path, server: ServerProcess, stack: ExitStack) -> None:
        self._clone, self._home = directory / "clone", directory / "home"
        self._server = server
        self._stack = stack
        unwanted = shutil.ignore_patterns(".*", "build", "dist", "node_modules", "__pycache__")
        shutil.copytree(ROOT, self._clone, ignore=unwanted)
        shutil.copytree(FILES, self._clone, dirs_exist_ok=True)
        (self._home / ".jupyter").mkdir(parents=True)
        (self._home / ".jupyter" / "jupyter_server_config.py").write_text(_SERVER_CONFIG)

    @property
    def _environment(self) -> dict[str, str]:
        """A login of their own. Continuous integration runs make: here it says what it would do."""
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        # Where uv and pipx put commands, and where this environment has them.
        programs = (self._home / ".local" / "bin", Path(sys.executable).parent, os.environ["PATH"])
        return {
            # Where the person who runs the tests keeps pip's settings and downloads.
            "XDG_CONFIG_HOME": str(Path.home() / ".config"),
            "XDG_CACHE_HOME": str(Path.home() / ".cache"),
            **index(),
            **kept,
            **backend(FileKeyring, self._home / "keyring.json"),
            "HOME": str(self._home),
            "PATH": os.pathsep.join(map(str, programs)),
            "TOGETHER_BASE_URL": self._server.base_url,
            "TOGETHER_API_KEY": "anything",
            "MAKEFLAGS": "n",
        }

    # -- commands ----------------------------------------------------------------------------

    def type(self, text: str) -> None:
        """Type commands, each of which has to succeed; a last one that lasts has to come up."""
        text = self._filled(text, self._session)
        # A port that is free, and an environment that stays as it is: pip finds and builds all that
        # it would install. As a variable the option would reach the pip that it builds with.
        text = text.replace("--port 8321", "--port 0")
        text = text.replace("pip install", "pip install --dry-run")
        command = ["bash", "-euo", "pipefail", "-c", text]
        last = text.splitlines()[-1]
        for words, ready in LASTING.items():
            if words in last:
                self._wait_for(ready, command)
                return
        done = subprocess.run(
            command,
            cwd=self._clone,
            env=self._environment,
            input="a-key\n",  # for a command that asks for one
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        assert "does not provide the extra" not in done.stdout, done.stdout

    def _wait_for(self, ready: str, command: list[str]) -> None:
        """Run a command in a terminal until it says something, and stop it then."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command,
            cwd=self._clone,
            env=self._environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        said = ""
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            for piece in _pieces(terminal.fileno()):
                said += piece
                if ready in _ESCAPE.sub("", said):
                    break
            os.killpg(process.pid, signal.SIGTERM)
            for _ in _pieces(terminal.fileno()):  # what it still says, which it must not wait with
                pass
        process.wait(60)
        assert ready in _ESCAPE.sub("", said), said

    # -- code --------------------------------------------------------------------------------

    def run(self, text: str) -> Answer:
        """Run a cell in the notebook of the page."""
        if SESSION in text:
            self._notebook.run("pass")  # so that there is a session
            listed = self._notebook.run("%tci sessions").only("display_data")
            text = self._filled(text, re.findall(r"ses_\w+", listed["data"]["text/plain"])[0])
        return self._notebook.run(text)

    def run_ordinarily(self, text: str) -> Answer:
        """Run a cell in a notebook of the page that is on Jupyter's own kernel."""
        return self._ordinary.run(self._filled(text, self._session))

    def execute(self, text: str) -> str:
        """Run a script, and give what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", self._filled(text, self._session)],
            cwd=self._clone,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @cached_property
    def _notebook(self) -> KernelDriver:
        # The pages are about a session that has a directory of its own.
        private = "--LocalServer.directory=private"
        here = str(self._clone)
        return self._stack.enter_context(
            kernel("tci-local", private, cwd=here, **self._environment)
        )

    @cached_property
    def _ordinary(self) -> KernelDriver:
        here = str(self._clone)
        return self._stack.enter_context(kernel("python3", cwd=here, **self._environment))

    @cached_property
    def _session(self) -> str:
        """A session that the reader already has at the service."""
        service = self._stack.enter_context(Service(self._server.base_url, "anything"))
        return self._stack.enter_context(service.session())

    def _filled(self, text: str, session: str) -> str:
        return text.replace(SESSION, session).replace(ADDRESS, self._server.base_url)


def _pieces(terminal: int) -> Iterator[str]:
    """What comes from a terminal, until nobody uses it any more, or nothing comes for long."""
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # how Linux says that the other end is closed
            return
        if not data:
            return
        yield data.decode(errors="replace")


@contextmanager
def reading(directory: Path, server: ServerProcess) -> Iterator[Reader]:
    """A reader of a page, and what they leave open closed behind them."""
    with ExitStack() as stack:
        yield Reader(directory, server, stack)
