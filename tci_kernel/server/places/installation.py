"""What a sandbox must show of this computer for a program to run: where it is installed."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from shutil import which

from tci_kernel.server.places import prefixes

# Seconds that a Python has to say where it is installed.
_TIMEOUT = 30.0

# Where a system keeps programs that every sandbox shows.
_SYSTEM = ("/bin", "/sbin")

# Symbolic links that Linux follows, one after another.
_MOST_HOPS = 40


def readable_for(program: str) -> tuple[str, ...]:
    """The directories that a program is installed in, but for those that every sandbox shows.

    Args:
        program: a name or a path.

    Raises:
        RuntimeError: they are such as hold somebody's files.
    """
    path = Path(which(program) or program)
    return _readable(path, path.resolve())


@cache
def _readable(path: Path, _leads_to: Path) -> tuple[str, ...]:
    """As `readable_for`, once for each path and what it leads to."""
    hops = [hop for hop in _hops(path) if str(hop.parent) not in _SYSTEM]
    places = {str(hop.parent.parent) for hop in hops}
    if path.name.startswith(("python", "pypy")):
        places |= {place for place in _prefixes(path) if Path(place).is_dir()}
    shown = sorted(place for place in places if not Path(place).is_relative_to("/usr"))
    home = Path.home()
    for place in shown:
        if any(owner.is_relative_to(place) for owner in (home, Path("/home"))):
            raise RuntimeError(
                f"{path} is installed in {place}, where people's files are, which a sandbox "
                "must not show. Install it in a directory of its own."
            )
    return tuple(shown)


def hidden_in(places: tuple[str, ...]) -> list[str]:
    """What a sandbox does not show of these: the settings of this computer's Jupyter."""
    return [str(path) for path in (Path(place, "etc/jupyter") for place in places) if path.is_dir()]


def _hops(path: Path) -> list[Path]:
    """A path, and what it leads to over symbolic links, one after another."""
    hops = [path.absolute()]
    while hops[-1].is_symlink() and len(hops) < _MOST_HOPS:
        hops.append(hops[-1].parent / hops[-1].readlink())
    return hops


def _prefixes(python: Path) -> list[str]:
    """Where a Python says that it is installed; nowhere, if it can't say."""
    try:
        said = subprocess.run(  # noqa: S603 - the kernelspec's own program
            [str(python), "-E", prefixes.__file__],
            capture_output=True,
            check=True,
            timeout=_TIMEOUT,
        )
        return list(map(str, json.loads(said.stdout)))
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
