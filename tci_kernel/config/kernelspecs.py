"""Writes and removes the kernelspecs, for environments that the wheel's own do not reach."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_data_dir, prefer_environment_over_user

from tci_kernel.core.errors import ConfigurationError

MODULE = "tci_kernel"

# The names of the two specs: the service's, and the suffix of the local one.
NAME = "tci"
LOCAL_SUFFIX = "-local"

# Stricter than Jupyter, which takes `..` as a name and would install over what is there.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def install(
    *,
    user: bool = False,
    prefix: str | None = None,
    name: str = NAME,
    display_name: str | None = None,
) -> list[Path]:
    """Write both specs with the absolute path of this interpreter.

    Args:
        user: into the user's own Jupyter directory.
        prefix: into `share/jupyter` below this directory.
        name: the service's kernel; the local one is named `NAME-local`.
        display_name: what a launcher shows; the local one gets ` (local)` behind it.

    Returns:
        the directories written.

    Raises:
        ConfigurationError: the name can't be used, or the place can't be written.
    """
    prefix = _prefix(user=user, prefix=prefix)
    for directory in _directories(_place(prefix), name):
        if directory.exists() and not is_ours(directory):
            raise ConfigurationError(
                f"{directory} is there already, and is not of tci-kernel.",
                advice="Give another --name.",
            )
    written = []
    for suffix, addition in (("", ""), (LOCAL_SUFFIX, " (local)")):
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch, NAME + suffix)
            shutil.copytree(_resources() / (NAME + suffix), source)
            _personalize(source / "kernel.json", display_name and display_name + addition)
            try:
                path = KernelSpecManager().install_kernel_spec(
                    str(source), name + suffix, user=prefix is None, prefix=prefix
                )
            except OSError as error:
                raise ConfigurationError(f"Can't install {name + suffix!r}: {error}") from error
        written.append(Path(path))
    return written


def uninstall(*, user: bool = False, prefix: str | None = None, name: str = NAME) -> list[Path]:
    """Remove what `install` wrote in the same place.

    Returns:
        the directories removed.

    Raises:
        ConfigurationError: there is nothing of ours by that name, or it can't be removed.
    """
    place = _place(_prefix(user=user, prefix=prefix))
    found = [directory for directory in _directories(place, name) if is_ours(directory)]
    if not found:
        other = KernelSpecManager().find_kernel_specs().get(name.lower())
        hint = f" There is one in {other}." if other and is_ours(Path(other)) else ""
        raise ConfigurationError(f"There is no kernel {name!r} of tci-kernel in {place}.{hint}")
    for directory in found:
        try:
            if directory.is_symlink():
                directory.unlink()  # what it leads to was put there by somebody else
            else:
                shutil.rmtree(directory)
        except OSError as error:
            raise ConfigurationError(f"Can't remove {directory}: {error}") from error
    return found


def _prefix(*, user: bool, prefix: str | None) -> str | None:
    """The prefix that is meant; None for the user's own Jupyter directory.

    Where nothing is said it is the environment's if this is a virtual environment, else the
    user's: what Jupyter itself prefers.
    """
    if prefix is not None and not prefix:
        raise ConfigurationError("The prefix is empty.", advice="Name a directory.")
    if prefix is None and not user and prefer_environment_over_user():
        return sys.prefix
    return prefix


def _place(prefix: str | None) -> Path:
    """The data directory of Jupyter's that a prefix means."""
    return Path(jupyter_data_dir()) if prefix is None else Path(prefix, "share", "jupyter")


def _directories(place: Path, name: str) -> list[Path]:
    """Where the two specs of a name are, whether they exist or not."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name for a kernel.",
            advice="Use ASCII letters, digits, '.', '-' and '_', and begin with neither '.' nor "
            "'-'.",
        )
    # Jupyter's names are in lower case, whatever is asked for.
    return [place / "kernels" / (name.lower() + suffix) for suffix in ("", LOCAL_SUFFIX)]


def _resources() -> Path:
    """The specs that this package brings: inside it, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "kernelspec"
    return inside if inside.is_dir() else package.parent / "kernelspec"


def _personalize(kernel_json: Path, display_name: str | None) -> None:
    spec = json.loads(kernel_json.read_text())
    spec["argv"][0] = sys.executable
    if display_name:
        spec["display_name"] = display_name
    kernel_json.write_text(json.dumps(spec, indent=1) + "\n")


def is_ours(directory: Path) -> bool:
    """Whether a directory holds a spec that starts this package."""
    try:
        argv = json.loads((directory / "kernel.json").read_bytes())["argv"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return isinstance(argv, list) and MODULE in argv
