"""Reads what a saved state says of itself. It may be anybody's: nothing of it is run or loaded."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tci_kernel.core.errors import FileError
from tci_kernel.remote.state_file import FORMAT, MANIFEST, TITLE

# Bytes of what it says: the names of all variables, and the cells.
MOST_MANIFEST = 256_000_000


@dataclass(frozen=True, slots=True)
class SavedVariable:
    """A variable in a saved state.

    Attributes:
        name: as the user knows it.
        kind: its type, by its full name.
        extent: its shape or its length, as text; empty where it has none.
        size: bytes, with those that are pickled together with it; 0 of what cells make again.
        shares: the names of these.
        is_remade: whether cells make it again.
    """

    name: str
    kind: str
    extent: str
    size: int
    shares: Sequence[str]
    is_remade: bool


@dataclass(frozen=True, slots=True)
class RemakingCell:
    """A cell that runs again when a saved state is loaded.

    Attributes:
        number: that it had.
        source: its code.
    """

    number: int
    source: str


@dataclass(frozen=True, slots=True)
class SavedState:
    """What is in a saved state.

    Attributes:
        created: when.
        python: the version of the Python that it is of.
        variables: those that were pickled, and those that cells make again.
        cells: these cells, in order.
        seconds: that they took.
        modules: the names of imported modules, by those of variables.
        imported: what else was imported, with its module, by names of variables.
        files: their paths and sizes in bytes.
        installed: packages that were installed in the session, with their versions.
        environment: the names of variables of the environment.
        left_out: what could not be saved, and why.
    """

    created: datetime
    python: str
    variables: Sequence[SavedVariable]
    cells: Sequence[RemakingCell]
    seconds: float
    modules: dict[str, str]
    imported: dict[str, str]
    files: Sequence[tuple[str, int]]
    installed: dict[str, str]
    environment: Sequence[str]
    left_out: Sequence[tuple[str, str]]


def is_saved_state(path: Path) -> bool:
    """Whether a file begins as a saved state does."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:
        return False
    return head.startswith(b"PK\3\4") and head[30:].startswith(TITLE.encode())


def read(path: Path) -> SavedState:
    """Read what a saved state says of itself.

    Raises:
        FileError: it can't be read, or is none.
    """
    try:
        manifest = _manifest(path)
        if manifest["format"] != FORMAT:
            raise FileError(
                f"{str(path)!r} has the format {manifest['format']!r}, and this version of "
                f"tci-kernel knows {FORMAT} alone.",
                advice="Use the version that has saved it.",
            )
        return _state(manifest)
    except OSError as error:
        raise FileError(f"{str(path)!r} can't be read: {error.strerror}.") from error
    except (zipfile.BadZipFile, ValueError, LookupError, TypeError, AttributeError) as error:
        raise FileError(
            f"{str(path)!r} is no saved state.", advice="%tci save writes one."
        ) from error
    except (RecursionError, OverflowError, NotImplementedError, EOFError) as error:
        raise FileError(f"{str(path)!r} is damaged.") from error


def _manifest(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        if archive.infolist()[0].filename != TITLE:
            raise ValueError
        info = archive.getinfo(MANIFEST)
        # It is written as it is; what is packed could unpack to anything.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > MOST_MANIFEST:
            raise ValueError
        return json.loads(archive.read(info))


def _state(manifest: Any) -> SavedState:
    again = manifest["again"]
    remade = {str(name) for part in again["parts"] for name in part["names"]}
    return SavedState(
        created=datetime.fromtimestamp(float(manifest["created"]), UTC),
        python=str(manifest["python"]),
        variables=[_variable(one, remade) for one in manifest["variables"]],
        cells=[RemakingCell(int(one["number"]), str(one["source"])) for one in again["cells"]],
        seconds=float(again["seconds"]),
        modules=_texts(manifest["modules"]),
        imported={
            str(name): f"{module}.{path}" for name, (module, path) in manifest["imported"].items()
        },
        files=[("/".join(map(str, one["parts"])), int(one["bytes"])) for one in manifest["files"]],
        installed=_texts(manifest["installed"]),
        environment=sorted(_texts(manifest["environment"])),
        left_out=[(str(name), str(reason)) for name, reason in manifest["left_out"]],
    )


def _variable(one: Any, remade: Set[str]) -> SavedVariable:
    shape, length = one["shape"], one["length"]
    extent = " x ".join(str(int(number)) for number in shape) if shape else ""
    if length is not None:
        extent = str(int(length))
    shares = [str(name) for name in one["with"]]
    name = str(one["name"])
    return SavedVariable(
        name, str(one["type"]), extent, int(one["bytes"]), shares, is_remade=name in remade
    )


def _texts(found: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in found.items()}
