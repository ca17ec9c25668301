"""Adds a line to an error of the session that is about something which is on this computer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from tci_kernel.core.messages import Message
from tci_kernel.core.text import printable

# How Python names what it does not find.
_FILE = re.compile(r"\[Errno 2\] [^:]*: '([^']+)'")
_MODULE = re.compile(r"No module named '([A-Za-z_][A-Za-z0-9_]*)")


def explained(message: Message) -> Message:
    """A message of the session as it is shown: an error with what can be done about it."""
    hint = _HINTS.get(str(message.content.get("ename")))
    if message.type != "error" or hint is None:
        return message
    line = hint(str(message.content.get("evalue")))
    if not line:
        return message
    traceback = [*message.content.get("traceback", ()), "", line]
    return replace(message, content={**message.content, "traceback": traceback})


def _about_file(text: str) -> str:
    """What to do about a file that is missing there."""
    found = _FILE.search(text)
    path = Path(found[1]) if found else None
    if path is None or path.is_absolute() or ".." in path.parts or not _is_there(path):
        return ""
    to = "" if path.parent == Path() else f" --to {quote(str(path.parent))}"
    return (
        f"{printable(str(path))} is on this computer: "
        f"%tci upload {printable(quote(str(path)))}{printable(to)}"
    )


def _about_module(text: str) -> str:
    """What to do about a module that is missing there."""
    found = _MODULE.match(text)
    if found is None:
        return ""
    name = found[1]
    for path in (Path(f"{name}.py"), Path(name)):
        if _is_there(path if path.suffix else path / "__init__.py"):
            return f"{path} is on this computer: %tci upload {path}"
    return f"'%pip install {name}' installs it in the session." if _is_installed(name) else ""


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, or no name at all
        return False


def _is_installed(name: str) -> bool:
    """Whether a package has this name in the kernel's own environment."""
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


_HINTS: dict[str, Callable[[str], str]] = {
    "FileNotFoundError": _about_file,
    "ModuleNotFoundError": _about_module,
}
