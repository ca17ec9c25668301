"""Writes the configuration file, and shows what is in force."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

from jupyter_core.paths import jupyter_config_dir
from jupyter_core.utils import ensure_dir_exists
from traitlets.config import Configurable

from tci_kernel.config.settings import BASENAME, Setting, traits


def write(classes: Iterable[type[Configurable]], *, overwrite: bool) -> int:
    """Write a configuration file into the user's Jupyter directory. Asks before it overwrites one.

    Args:
        classes: whose settings it shows.
        overwrite: whether to ask nobody.

    Returns:
        the status with which the process ends.
    """
    path = Path(jupyter_config_dir(), BASENAME + ".py")
    if path.exists() and not overwrite and not _is_agreed(f"Overwrite {path}? [y/N] "):
        print(f"{path} is left as it is. With -y it is overwritten.", file=sys.stderr)
        return 2
    try:
        ensure_dir_exists(path.parent, mode=0o700)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            file.write(default_text(classes))
    except OSError as error:
        print(f"{path} can't be written: {error.strerror}.", file=sys.stderr)
        return 2
    print(f"Wrote {path}")
    return 0


def default_text(classes: Iterable[type[Configurable]]) -> str:
    """A configuration file that sets nothing, and shows all that it could set."""
    lines = ["# Configuration file for tci-kernel.", "", "c = get_config()  # noqa: F821"]
    for cls in classes:
        lines += ["", f"# -- {cls.__name__} ".ljust(80, "-")]
        for name, trait in traits(cls).items():
            lines += ["", *wrap(trait.help, 80, initial_indent="# ", subsequent_indent="# ")]
            lines.append(f"# c.{cls.__name__}.{name} = {trait.default_value!r}")
    return "\n".join(lines) + "\n"


def _is_agreed(question: str) -> bool:
    with suppress(EOFError, KeyboardInterrupt):
        return input(question).strip().lower() in ("y", "yes")
    return False


def show(settings: Sequence[Setting], *, as_json: bool) -> None:
    """Print settings with their values and where these come from."""
    if as_json:
        print(json.dumps([asdict(setting) for setting in settings], indent=1))
        return
    for setting in settings:
        print(f"{setting.name} = {setting.value!r}  ({setting.source})")
