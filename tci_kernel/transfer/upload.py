"""Sends files into a session."""

from __future__ import annotations

import base64
import codecs
import hashlib
import os
import re
import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tci_kernel.core.cell import File
from tci_kernel.core.errors import TCIError, TransferFailed
from tci_kernel.remote.survey import Found, stamp
from tci_kernel.remote.upload import PART
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.sources import Sources
from tci_kernel.transfer.transfer import (
    CLEAN_UP_LIMIT,
    Transfer,
    add_fate,
    batches,
    call,
    unexpected_answer,
)

# Bytes that no layer of text on the way has a reason to touch.
_PLAIN = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a file: as it travels, and what the session must know of it."""

    file: File | None
    facts: dict[str, Any]
    size: int
    found: Found


class Upload(Transfer):
    """Files on their way into a session.

    They travel in the requests' `files`, under flat names of the upload's own, since the service
    does not document others; the program that runs after them checks each part, adds it to its
    file, and puts whole files into their places.

    Args:
        session: where they go.
        sources: what is sent.
        to: the directory there that it goes into; made if it is missing.
    """

    def __init__(self, session: RemoteSession, sources: Sources, to: str = ".") -> None:
        super().__init__()
        self.total = sources.size
        self.directories = len(sources.directories)
        self.left_out = sources.left_out
        self._session = session
        self._sources = sources
        self._to = to
        self._token = secrets.token_hex(8)
        self._pending: list[tuple[Found, str]] = []
        self._begun: list[str] = []

    async def run(self) -> None:
        """See `Transfer`."""
        files = self._sources.files
        prepared = await call(
            self._session,
            "upload",
            "prepare",
            to=self._to,
            directories=self._sources.directories,
            targets=[found.parts for found in files],
        )
        targets, made = _texts(prepared, "targets"), _texts(prepared, "made")
        stamps = prepared.get("stamps")
        if not isinstance(stamps, list) or not len(targets) == len(stamps) == len(files):
            raise unexpected_answer()
        self._leave_out_itself(targets, stamps)
        session_id = self._session.id
        is_complete = False
        try:
            await self._send()
            is_complete = True
        except TCIError as error:
            add_fate(error, arrived=len(self.sizes), total=len(self._pending), where="there")
            raise
        finally:
            if not is_complete and self._session.id == session_id:  # a new one would cost
                await self._discard(made)

    def _leave_out_itself(self, targets: Sequence[str], stamps: Sequence[Any]) -> None:
        """Decide which files are sent: none onto itself, where the session works on our files."""
        for found, target, there in zip(self._sources.files, targets, stamps, strict=True):
            if there == found.stamp and target == os.path.realpath(found.path):
                self.there.append("/".join(found.parts))
                self.total -= found.stamp[0]
            else:
                self._pending.append((found, target))

    async def _send(self) -> None:
        limit = self._session.transfer_size
        with closing(self._parts(limit)) as parts:
            for batch in batches(parts, limit, lambda part: part.size):
                self._begun = [part.facts["target"] for part in batch]
                await call(
                    self._session,
                    "upload",
                    "receive",
                    [part.file for part in batch if part.file is not None],
                    token=self._token,
                    parts=[part.facts for part in batch],
                    origin=self._session.origin,
                )
                self._count(batch)

    def _count(self, batch: Sequence[_Part]) -> None:
        for part in batch:
            self.done += part.size
            if part.facts["whole"]:
                self.sizes["/".join(part.found.parts)] = part.found.stamp[0]

    def _parts(self, limit: int) -> Generator[_Part]:
        number = 0
        for found, target in self._pending:
            for data, offset, whole in _read(found, limit):
                number += 1
                name = f"{PART}{self._token}-{number}" if data else None
                facts = {
                    "name": name,
                    "target": target,
                    "offset": offset,
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "whole": whole,
                    "executable": found.executable,
                }
                yield _Part(as_file(name, data) if name else None, facts, len(data), found)

    async def _discard(self, made: Sequence[str]) -> None:
        """Remove what is left in the session, if that can be done in bounded time."""
        await self._session.try_call(
            "upload",
            CLEAN_UP_LIMIT,
            operation="discard",
            token=self._token,
            targets=self._begun,
            made=made,
            origin=self._session.origin,
        )


def _read(found: Found, limit: int) -> Iterator[tuple[bytes, int, str | None]]:
    """The bytes of a file, in pieces: each with its offset, the last with the file's SHA-256."""
    whole = hashlib.sha256()
    offset = 0
    try:
        with Path(found.path).open("rb") as file:
            while True:
                data = file.read(limit)
                if stamp(os.fstat(file.fileno())) != found.stamp:
                    raise TransferFailed(
                        f"{found.path!r} changed while it was read.", advice="Try again."
                    )
                whole.update(data)
                is_last = offset + len(data) >= found.stamp[0]
                if is_last and file.read(1):
                    raise TransferFailed(
                        f"{found.path!r} is longer than its size says, as files of the system are.",
                        advice="Copy it, and transfer the copy.",
                    )
                yield data, offset, whole.hexdigest() if is_last else None
                if is_last:
                    return
                offset += len(data)
    except OSError as error:
        raise TransferFailed(f"{found.path!r} can't be read: {error.strerror}.") from error


def as_file(name: str, data: bytes) -> File:
    """Bytes as the service takes them: as text where they surely arrive as they are."""
    if _PLAIN.fullmatch(data) and not data.startswith(codecs.BOM_UTF8):
        with suppress(UnicodeDecodeError):
            return File(name, data.decode(), "string")
    return File(name, base64.b64encode(data).decode(), "base64")


def _texts(answer: Any, name: str) -> list[str]:
    texts = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise unexpected_answer()
    return texts
