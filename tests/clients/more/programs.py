"""Programs that get an environment of their own, with the package from here beside them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.support.cache import kept
from tests.support.environments import make_environment
from tests.support.servers import ServerProcess

ROOT = Path(__file__).parents[3]

KERNELS = ("tci", "tci-local")


@dataclass(frozen=True)
class Programs:
    """The programs of an environment, in the hands of a user who has no settings.

    Attributes:
        directory: the environment.
        home: the user's directory.
        service: where the kernel `tci` runs its cells.
    """

    directory: Path
    home: Path
    service: ServerProcess

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """What the user's shell has set."""
        return {
            **os.environ,
            "HOME": str(self.home),
            "PATH": os.pathsep.join((str(self.directory / "bin"), os.environ["PATH"])),
            "TOGETHER_BASE_URL": self.service.base_url,
            "TOGETHER_API_KEY": self.service.token,
        }

    def run(
        self,
        program: str,
        *arguments: str | Path,
        folder: Path,
        status: int = 0,
        typed: str = "",
        **more: str,
    ) -> str:
        """Run a program, which has to end with a status; gives what it printed.

        Args:
            program: its name.
            arguments: those of its command line.
            folder: where it runs.
            status: that with which it has to end.
            typed: what it is answered.
            more: variables of its environment.
        """
        ran = subprocess.run(
            [self.directory / "bin" / program, *arguments],
            cwd=folder,
            env={**self.variables, **more},
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=150,
            check=False,
        )
        assert ran.returncode == status, ran.stdout
        return ran.stdout


def environment(name: str, downloads: Path) -> Path:
    """The environment with the programs of a file of requirements, made unless it is there.

    Args:
        name: that of the file, `requirements-<name>.txt`.
        downloads: where environments are kept.
    """
    requirements = Path(__file__).with_name(f"requirements-{name}.txt")
    # The package is installed as it lies here, but for what it requires.
    asked = requirements.read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    place = downloads / f"{name}-{sha256(asked).hexdigest()[:16]}"
    return kept(
        place,
        lambda made: make_environment(made, "--requirements", requirements, "--editable", ROOT),
    )
