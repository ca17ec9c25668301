"""What a session has besides its variables: packages, variables of the environment, random states.

It travels to the session as text before that of `saving` and `loading`. It may meet any Python from
3.8 on.
"""

from __future__ import annotations

import ast
import glob
import math
import os
import re
import sys
import sysconfig
import textwrap
import time
import types
from typing import Any, Iterator

# Variables of the environment that a kernel sets for itself, and what says where it is.
OWN_VARIABLES = re.compile(
    "TERM|CLICOLOR.*|FORCE_COLOR|PAGER|GIT_PAGER|MPLBACKEND|COLUMNS|LINES|PWD|OLDPWD|JPY_.*"
    "|PYDEVD_.*|KMP_.*|TCI_.*|JUPYTER_.*|IPYTHONDIR|IPY_.*|PYTEST_.*|HOME|USER|LOGNAME|TMPDIR|SHLVL|_"
)

# What a module may have, and a variable stand for.
IMPORTABLE = (type, types.FunctionType, types.BuiltinFunctionType)


def environment() -> dict[str, str]:
    """The variables of the environment that code has set or changed since the process began."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return {}
    before = dict(os.fsdecode(entry).partition("=")[::2] for entry in entries)
    return {
        name: value
        for name, value in os.environ.items()
        if before.get(name) != value and not OWN_VARIABLES.fullmatch(name)
    }


def packages() -> dict[str, str]:
    """The versions of installed packages, by the names of their directories."""
    found: dict[str, str] = {}
    for directory in site_directories():
        for path in glob.glob(os.path.join(glob.escape(directory), "*-info")):
            name, _, version = os.path.basename(path).rpartition(".")[0].partition("-")
            if version:
                found.setdefault(name.replace("_", "-").lower(), version)
    return found


def installed_since(start: float) -> dict[str, str]:
    """Those that were installed after a time, in seconds since 1970."""
    new: dict[str, str] = {}
    for directory in site_directories():
        for path in glob.glob(os.path.join(glob.escape(directory), "*.dist-info")):
            name, _, version = os.path.basename(path)[: -len(".dist-info")].partition("-")
            try:
                is_new = os.stat(os.path.join(path, "METADATA")).st_ctime > start
            except OSError:
                continue
            if is_new:
                new[name.replace("_", "-").lower()] = version
    return new


def site_directories() -> list[str]:
    """Where packages are installed."""
    paths = {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
    return [path for path in dict.fromkeys([*sys.path, *paths]) if os.path.isdir(path)]


def begun() -> float:
    """When this process began, in seconds since 1970; the end of time if nobody knows."""
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        with open("/proc/uptime") as file:
            uptime = float(file.read().split()[0])
        return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, LookupError):
        return math.inf


def imported_versions() -> dict[str, str]:
    """The versions of the modules that are imported, as they say them themselves."""
    versions = {
        name: getattr(module, "__version__", None)
        for name, module in [*sys.modules.items()]
        if "." not in name and not name.startswith("_")
    }
    return {name: version for name, version in versions.items() if isinstance(version, str)}


def imported_names(variables: dict[str, Any]) -> dict[str, list[str]]:
    """The variables that stand for a function or a class of a module: where it is found there."""
    found = {}
    for name, value in variables.items():
        module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if isinstance(value, IMPORTABLE) and isinstance(module, str) and module != "__main__":
            place: Any = sys.modules.get(module)
            for step in str(path).split("."):
                place = getattr(place, step, None)
            if place is value:
                found[name] = [module, str(path)]
    return found


def sources(names: list[str], inputs: list[str]) -> list[list[str]]:
    """The source of definitions, in the order in which they were made: names and texts.

    Args:
        names: of functions and classes.
        inputs: the cells, as Python.
    """
    found: dict[str, str] = {}
    for text in inputs:
        for name, source in definitions(text):
            if name in names:
                found.pop(name, None)  # the last one counts, and comes last
                found[name] = source
    return [[name, source] for name, source in found.items()]


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """The functions and classes that a cell defines at its top level."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = text.splitlines()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield node.name, textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno]))
