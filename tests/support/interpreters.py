"""The interpreters that a service may run: local servers on other IPythons, and on none."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import plain_kernel
from tests.support.cache import kept
from tests.support.environments import found_python, make_environment
from tests.support.kernels import KernelDriver, kernel
from tests.support.measuring import UNMEASURED
from tests.support.servers import ServerProcess, serving

# The interpreter of this environment, with its own IPython.
OWN = "python3"

PLAIN = "plain-python"

# The oldest Python that code of ours may meet in a session, where this machine has it.
OLDEST_PYTHON = "3.8"

# From the oldest IPython that the helper may meet, on the oldest Python; the middle one is what the
# service likely has.
IPYTHONS = {
    "ipython-7": ("ipython==7.34.0", "ipykernel==6.17.1"),
    "ipython-8": ("ipython==8.22.2", "ipykernel==6.29.5"),
    "ipython-9": ("ipython==9.0.0", "ipykernel==7.0.0"),
}


@dataclass(frozen=True)
class Interpreter:
    """A local server whose sessions have a certain interpreter.

    Attributes:
        name: the interpreter's kernelspec.
        jupyter_path: where that is found; a value of the variable JUPYTER_PATH.
        server: the server.
    """

    name: str
    jupyter_path: str
    server: ServerProcess

    def kernel(self, *arguments: str) -> AbstractContextManager[KernelDriver]:
        """A `tci` kernel whose service is the server."""
        where = {"TOGETHER_BASE_URL": self.server.base_url, "TOGETHER_API_KEY": self.server.token}
        return kernel("tci", *arguments, **where)

    def session_id(self, driver: KernelDriver) -> str:
        """The session of a kernel: its working directory has its name. Runs a cell."""
        return Path(driver.run("import os; print(os.getcwd())").text().strip()).name

    def requests(self, session_id: str) -> int:
        """How often code was run in a session, as the server lists it."""
        listed = httpx.get(f"{self.server.base_url}/tci/sessions", headers=self.server.headers)
        sessions = {session["id"]: session for session in listed.json()["data"]["sessions"]}
        count: int = sessions[session_id]["execute_count"]
        return count


def kernelspec(name: str, cache: Path, specs: Path) -> str:
    """Write the kernelspec of an interpreter, which is made first if need be.

    Args:
        name: `OWN`, `PLAIN` or one of `IPYTHONS`.
        cache: where environments are kept.
        specs: a directory for a kernelspec.

    Returns:
        the `JUPYTER_PATH` that has it.
    """
    if name == PLAIN:
        # -P: its own directory is not a place to import from.
        write_kernelspec(specs, name, [sys.executable, "-P", plain_kernel.__file__])
    elif name in IPYTHONS:
        is_oldest = name == next(iter(IPYTHONS))
        python = (found_python(OLDEST_PYTHON) if is_oldest else "") or sys.executable
        directory = kept(
            cache / "_".join([*IPYTHONS[name], Path(python).resolve().name]),
            lambda place: make_environment(place, *IPYTHONS[name], python=python),
        )
        write_kernelspec(specs, name, [f"{directory}/bin/python", "-m", "ipykernel_launcher"])
    return os.pathsep.join(filter(None, (str(specs), os.environ.get("JUPYTER_PATH"))))


@contextmanager
def interpreter(name: str, cache: Path, specs: Path) -> Iterator[Interpreter]:
    """Start a server on an interpreter. The arguments are those of `kernelspec`."""
    jupyter_path = kernelspec(name, cache, specs)
    # Servers kill their interpreters, which may leave jedi's cache broken for all others.
    places = {"JUPYTER_PATH": jupyter_path, "XDG_CACHE_HOME": str(specs / "cache")}
    with serving("--kernel-name", name, **places) as server:
        yield Interpreter(name, jupyter_path, server)


def write_kernelspec(specs: Path, name: str, command: list[str]) -> None:
    """Write a kernelspec into a directory that can be a `JUPYTER_PATH`."""
    argv = [*command, "-f", "{connection_file}"]
    place = specs / "kernels" / name
    place.mkdir(parents=True)
    spec = {"argv": argv, "display_name": name, "language": "python", "env": UNMEASURED}
    (place / "kernel.json").write_text(json.dumps(spec))
