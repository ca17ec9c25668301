"""Writes what a session is worth into one file, for the kernel to fetch.

It is sent as text with each request (see `calls`), after that of `pickling`, `belongings` and
`state_file`, and runs one operation. It may meet any Python from 3.8 on, with IPython or without.
The format is in `docs/saved-state.md`.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import pickle
import platform
import re
import sys
import time
import types
import zipfile
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.again import Choice
    from tci_kernel.remote.belongings import (
        begun,
        environment,
        imported_names,
        imported_versions,
        installed_since,
        sources,
    )
    from tci_kernel.remote.failure import REFUSED, Failure
    from tci_kernel.remote.pickling import PROTOCOL, pickled
    from tci_kernel.remote.rebuilding import register, user_namespace
    from tci_kernel.remote.shared_names import RECORDER, random_states
    from tci_kernel.remote.standing import stamp
    from tci_kernel.remote.state_file import (
        FORMAT,
        HEAD,
        MANIFEST,
        TITLE,
        shell_of_user,
        staged,
    )
    from tci_kernel.remote.survey import Survey

# Names that belong to the interpreter and not to the user.
INTERPRETERS = re.compile("__.*|_+|_i+|_i?[0-9]+|_[iod]h|_exit_code|In|Out")

# Bytes of a block. What has not changed since the last time need not travel again.
BLOCK = 1 << 22


def survey() -> dict[str, Any]:
    """The files below the working directory, and what git is told to ignore of them.

    Returns:
        `directory`, with its `stamp`; `files`: of each the parts of its path, and its size; the
        parts of `directories`;
        `ignore`: the texts of `.gitignore` files, by the parts of their directories joined with
        `/`; `left_out`: what can't be taken along, a sentence each.
    """
    here = os.getcwd()
    place = {"directory": here, "stamp": stamp(os.stat(here))}
    if os.path.samefile(here, os.path.expanduser("~")) or here == os.sep:
        reason = "All files: the working directory is a home directory, or the root of all."
        return {**place, "files": [], "directories": [], "ignore": {}, "left_out": [reason]}
    found = Survey(
        lambda path, is_directory: not (is_directory and os.path.basename(path) == ".git")
    )
    found.add(".", [])
    ignore = {}
    for file in found.files:
        if file.parts[-1] == ".gitignore":
            with open(file.path, errors="replace") as text:
                ignore["/".join(file.parts[:-1])] = text.read(BLOCK)
    files = [[file.parts, file.stamp[0]] for file in found.files]
    return {
        **place,
        "files": files,
        "directories": found.directories,
        "ignore": ignore,
        "left_out": found.left_out,
    }


def save(
    *,
    token: str,
    cloudpickle: str,
    paths: list[list[str]],
    directories: list[list[str]],
    known: list[str],
    reruns: bool,
) -> dict[str, Any]:
    """Write a saved state.

    Args:
        token: part of the file's name.
        cloudpickle: its text.
        paths: the parts of those of the files to take along.
        directories: the parts of those that are to be there, even if nothing is in them.
        known: the names of blocks that need not be written.
        reruns: whether cells run again, when it is loaded, that use what is outside the session.

    Returns:
        `path`, where it is; `variables` and `files`, how many; `again`, the numbers of the cells
        that are run again, and the seconds that they take; and `left_out`, each with why.
    """
    if pickle.HIGHEST_PROTOCOL < PROTOCOL:
        raise Failure(REFUSED, "The session's Python is older than 3.8, which this takes.")
    path = staged(token)
    brought = register(cloudpickle)
    was_enabled = gc.isenabled()
    gc.disable()  # it would look at all objects again and again
    try:
        mode = os.O_CREAT | os.O_EXCL | os.O_RDWR
        with open(os.open(path, mode, 0o600), "w+b") as file:  # noqa: SIM117 - for older Pythons
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(TITLE, HEAD)
                manifest = written(Writer(archive, known), brought, paths, reruns)
                manifest["directories"] = directories
                archive.writestr(MANIFEST, json.dumps(manifest))
    except BaseException:
        discard(token)
        raise
    finally:
        if was_enabled:
            gc.enable()
    return {
        "path": path,
        "variables": len(manifest["modules"])
        + len(manifest["imported"])
        + sum(one["name"].isidentifier() for one in manifest["variables"]),
        "files": len(manifest["files"]),
        "again": [cell["number"] for cell in manifest["again"]["cells"]],
        "seconds": manifest["again"]["seconds"],
        "left_out": manifest["left_out"],
    }


def discard(token: str) -> None:
    """Remove the file, if it is there."""
    if os.path.exists(staged(token)):
        os.remove(staged(token))


class Writer:
    """Writes bytes into an archive in blocks, each once, under the names of their hashes.

    Args:
        archive: open for writing.
        known: the names of blocks that its reader has already.
    """

    def __init__(self, archive: Any, known: list[str]) -> None:
        self.archive = archive
        self.there = set(known)

    def add(self, data: Any) -> list[str]:
        """Write bytes; gives the names of their blocks, in order."""
        view = memoryview(data)
        return [self.add_block(view[start : start + BLOCK]) for start in range(0, len(view), BLOCK)]

    def add_block(self, block: Any) -> str:
        """Write a block; gives its name."""
        name = hashlib.sha256(block).hexdigest()
        if name not in self.there:
            self.there.add(name)
            self.archive.writestr(zipfile.ZipInfo(name), block)
        return name

    def add_file(self, path: str) -> list[str]:
        """Write what a file has now; gives the names of the blocks."""
        with open(path, "rb") as file:
            return [self.add_block(block) for block in iter(lambda: file.read(BLOCK), b"")]


def written(
    writer: Writer, cloudpickle: Any, paths: list[list[str]], reruns: bool
) -> dict[str, Any]:
    """Write all that a state consists of; gives its manifest."""
    namespace = user_namespace()
    shell = shell_of_user()
    variables = user_variables(namespace, shell)
    modules = {
        name: value.__name__
        for name, value in variables.items()
        if isinstance(value, types.ModuleType) and value.__name__ in sys.modules
    }
    imported = imported_names(variables)
    values = {
        name: value
        for name, value in variables.items()
        if name not in modules and name not in imported
    }
    inputs, raw = (
        ([*shell.history_manager.input_hist_parsed], [*shell.history_manager.input_hist_raw])
        if shell
        else ([], [])
    )
    outputs = {"Out[%s]" % number: value for number, value in outputs_of(shell).items()}
    parts, left_out = pickled({**values, **outputs, **random_states()}, namespace, cloudpickle)
    recorder: Any = sys.modules.get(RECORDER)
    record = (recorder.cells or []) if recorder is not None and shell is not None else []
    choice = Choice(record, {**values, **outputs}, parts, left_out, {**modules, **imported})
    again = choice.make(reruns)
    definitions = [
        name for name, value in values.items() if getattr(value, "__module__", "") == "__main__"
    ]
    return {
        "format": FORMAT,
        "created": time.time(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "directory": place_from_origin(shell),
        "variables": choice.described(),
        "lineage": record,
        "again": again,
        "parts": [
            {
                "names": [*part.variables],
                "needs": sorted(part.needs),
                "pickle": writer.add(part.pickle),
                "buffers": [writer.add(buffer) for buffer in part.buffers],
            }
            for part in choice.carried
        ],
        "modules": modules,
        "imported": imported,
        "versions": imported_versions(),
        "installed": installed_since(begun()),
        "environment": environment(),
        "inputs": {"parsed": inputs, "raw": raw},
        "count": shell.execution_count if shell else len(inputs),
        "sources": sources(definitions, inputs),
        "files": [taken(writer, parts_of_path) for parts_of_path in paths],
        "left_out": choice.left_out,
    }


def place_from_origin(shell: Any) -> str:
    """The working directory, by the one in which the session began where it lies below that."""
    here = os.getcwd()
    origin = shell.starting_dir if shell else here
    below = os.path.relpath(here, origin)
    return here if below.split(os.sep)[0] == os.pardir else below


def user_variables(namespace: dict[str, Any], shell: Any) -> dict[str, Any]:
    """The user's own variables."""
    hidden = shell.user_ns_hidden if shell else {}
    return {
        name: value
        for name, value in namespace.items()
        if isinstance(name, str)
        and not INTERPRETERS.fullmatch(name)
        and not (name in hidden and hidden[name] is value)
    }


def outputs_of(shell: Any) -> dict[int, Any]:
    """What cells have given, by their numbers."""
    return dict(shell.user_ns.get("_oh", {})) if shell else {}


def taken(writer: Writer, parts: list[str]) -> dict[str, Any]:
    """Write a file; gives what the manifest says of it."""
    path = os.path.join(*parts)
    status = os.stat(path)
    return {
        "parts": parts,
        "bytes": status.st_size,
        "executable": bool(status.st_mode & 0o100),
        "blocks": writer.add_file(path),
    }


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation for operation in (survey, save, discard)
}


def main(operation: str, **arguments: Any) -> Any:
    """Run an operation."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise Failure(REFUSED, "The working directory is gone. os.chdir() to another.") from None
    return OPERATIONS[operation](**arguments)
