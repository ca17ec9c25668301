"""Saves again what has been saved before: only what is new of it travels."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tci_kernel.core.errors import TransferFailed
from tci_kernel.remote.state_file import MANIFEST, TITLE
from tci_kernel.transfer.saved_state import is_saved_state

_BLOCK_NAME = re.compile("[0-9a-f]{64}")


def blocks_in(path: Path) -> list[str]:
    """The names of the blocks that a saved state has; none where there is no saved state."""
    if is_saved_state(path):
        with suppress(OSError, zipfile.BadZipFile, ValueError), zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if _BLOCK_NAME.fullmatch(name)]
    return []


def complete(new: Path, old: Path) -> None:
    """Put a saved state into the place of an older one, with the blocks that it takes from that.

    Args:
        new: what was saved. It is gone afterwards.
        old: the older one, which stays as it is if anything fails.

    Raises:
        TransferFailed: it can't be written, or the older one is damaged.
    """
    beside = old.with_name(f".tci-state-{secrets.token_hex(8)}")
    try:
        with zipfile.ZipFile(new) as arrived, zipfile.ZipFile(old) as kept:
            wanted = _wanted(json.loads(arrived.read(MANIFEST)))
            with (
                open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b") as file,  # noqa: PTH123 - with a mode
                zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
            ):
                archive.writestr(TITLE, arrived.read(TITLE))
                there = set(arrived.namelist())
                for name in wanted:
                    data = arrived.read(name) if name in there else _kept(kept, name)
                    archive.writestr(zipfile.ZipInfo(name), data)
                archive.writestr(MANIFEST, arrived.read(MANIFEST))
        beside.replace(old)
    except OSError as error:
        raise TransferFailed(f"{str(old)!r} can't be written: {error.strerror}.") from error
    except (zipfile.BadZipFile, ValueError, LookupError, TypeError) as error:
        raise TransferFailed(
            f"{str(old)!r} is damaged, and can't be saved to again.",
            advice="Save to another file, or remove this one first.",
        ) from error
    finally:
        beside.unlink(missing_ok=True)
        new.unlink(missing_ok=True)


def _kept(archive: zipfile.ZipFile, name: str) -> bytes:
    """A block of the older state, which must be what it was."""
    data = archive.read(name)
    if hashlib.sha256(data).hexdigest() != name:
        raise ValueError(name)
    return data


def _wanted(manifest: Any) -> Iterable[str]:
    """The names of all blocks that a state consists of, each once."""
    lists = [part["pickle"] for part in manifest["parts"]]
    lists += [names for part in manifest["parts"] for names in part["buffers"]]
    lists += [entry["blocks"] for entry in manifest["files"]]
    return dict.fromkeys(str(name) for names in lists for name in names)
