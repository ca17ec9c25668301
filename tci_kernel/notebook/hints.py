"""Adds a line to an error of the session that can be mended from here: what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import packages_distributions
from pathlib import Path
from shlex import quote
from typing import Any

from tci_kernel.core.messages import Message
from tci_kernel.core.text import printable, without_colours

# How Python names what it does not find, and how libraries may: in quotes, or as a word.
_FILE = re.compile(r"\[Errno 2\] [^:]*: '([^']+)'")
_QUOTED = re.compile(r"""'([^'\n]+)'|"([^"\n]+)"|`([^`\n]+)`|([^\s'"`,;()]+)""")
_MODULE = re.compile(r"No module named '([A-Za-z_][A-Za-z0-9_]*)(\.)?")

# A command behind code of the same line, in no text and no comment.
_WITHIN = re.compile(r"""^[^#'"\n]*[^\s%#'"][ \t]*%tci\b""", re.MULTILINE)

# Characters of an error's text that are looked at.
_MOST = 2_000


def explained(message: Message) -> Message:
    """A message of the session as it is shown: an error with what can be done about it."""
    hint = _HINTS.get(str(message.content.get("ename")))
    if message.type != "error" or hint is None:
        return message
    line = hint(message.content)
    if not line:
        return message
    traceback = [*message.content.get("traceback", ()), "", line]
    return replace(message, content={**message.content, "traceback": traceback})


def _about_file(content: Mapping[str, Any]) -> str:
    """What to do about a file that is missing there."""
    path = next(filter(_is_file, _names(str(content.get("evalue")))), None)
    if path is None:
        return ""
    to = "" if path.parent == Path() else f" --to {quote(str(path.parent))}"
    return (
        f"{printable(str(path))} is on this computer: "
        f"%tci upload {printable(quote(str(path)))}{printable(to)}"
    )


def _names(text: str) -> Iterator[Path]:
    """What an error's text may name: where Python says it, that alone."""
    said = _FILE.search(text)
    if said is not None:
        yield Path(said[1])
        return
    for match in _QUOTED.finditer(text[:_MOST]):
        name = next(filter(None, match.groups()))
        yield from (Path(name), Path(name.rstrip(".:")))


def _is_file(path: Path) -> bool:
    """Whether there is a file or a directory of a name that a session would look for in its own."""
    is_inside = not path.is_absolute() and ".." not in path.parts and path != Path()
    return is_inside and _is_there(path)


def _about_module(content: Mapping[str, Any]) -> str:
    """What to do about a module that is missing there."""
    found = _MODULE.match(str(content.get("evalue")))
    if found is None:
        return ""
    name = found[1]
    for path in (Path(f"{name}.py"), Path(name)):
        if _is_there(path if path.suffix else path / "__init__.py"):
            return f"{path} is on this computer: %tci upload {path}"
    if found[2] or name in sys.stdlib_module_names:  # a part of a package that is there
        return ""
    if package := _package(name):
        return f"'%pip install {package}' installs it in the session."
    return f"If a package has this name, '%pip install {name}' installs it in the session."


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, or no name at all
        return False


def _package(name: str) -> str:
    """The package of a module that the kernel's own environment has; empty if it has none."""
    return next(iter(packages_distributions().get(name, ())), "")


def _about_syntax(content: Mapping[str, Any]) -> str:
    """What to do about a line that can't be read because there is a `%tci` within it."""
    shown = without_colours("\n".join(map(str, content.get("traceback", ()))))
    if _WITHIN.search(shown) is None:
        return ""
    return "A %tci command has no value. Put it on a line of its own, not indented."


_HINTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "FileNotFoundError": _about_file,
    "ModuleNotFoundError": _about_module,
    "SyntaxError": _about_syntax,
}
