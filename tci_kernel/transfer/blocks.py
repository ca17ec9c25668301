"""Reads the session's files in blocks, and writes them so that each appears whole or not at all."""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tci_kernel.core.cell import File
from tci_kernel.core.errors import TransferFailed
from tci_kernel.remote.upload import PART
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.transfer import CLEAN_UP_LIMIT, call, unexpected_answer

# Bytes that no layer of text on the way has a reason to touch.
_PLAIN = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a file in the session.

    Attributes:
        path: the file's.
        stamp: what tells whether it is still the file that was found, as `survey.Found` has it.
        offset: where the part begins, in bytes.
        length: in bytes.
    """

    path: str
    stamp: Sequence[int]
    offset: int
    length: int


async def read_blocks(session: RemoteSession, blocks: Sequence[Block]) -> list[bytes]:
    """The bytes of blocks, in one request.

    Raises:
        TransferFailed: a file is no longer what was found, or did not arrive as it was sent.
        TCIError: as `RemoteSession.call`.
    """
    pieces = [[block.path, block.stamp, block.offset, block.length] for block in blocks]
    answers = await call(session, "files", "read", pieces=pieces)
    if not isinstance(answers, list) or len(answers) != len(blocks):
        raise unexpected_answer()
    return [_data(block, answer) for block, answer in zip(blocks, answers, strict=True)]


def _data(block: Block, answer: Any) -> bytes:
    """The bytes of a block, as they were in the session."""
    try:
        text, digest = answer
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise unexpected_answer() from error
    if len(data) != block.length or hashlib.sha256(data).hexdigest() != digest:
        raise TransferFailed(f"A part of {block.path!r} did not arrive as it was sent.")
    return data


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file that is written in the session.

    Attributes:
        file: as it travels; None if it is empty.
        facts: what the session must know of it, as `receive` in `remote/upload.py` has it.
        size: in bytes.
    """

    file: File | None
    facts: dict[str, Any]
    size: int


@dataclass(frozen=True, slots=True)
class Targets:
    """Where files are written.

    Attributes:
        paths: the absolute path of each.
        stamps: of those that are there, else None.
    """

    paths: Sequence[str]
    stamps: Sequence[Any]


class Writer:
    """Writes files in a session in parts: each appears once it is whole, or not at all.

    The parts travel in the requests' `files`, under flat names of the writer's own, since the
    service does not document others; the program that runs after them checks each part, adds it to
    its file, and puts whole files into their places.

    Args:
        session: where the files are written.
    """

    def __init__(self, session: RemoteSession) -> None:
        self._session = session
        self._session_id = session.id
        self._token = secrets.token_hex(8)
        self._number = 0
        self._begun: Sequence[str] = ()
        self._made: Sequence[str] = ()

    async def prepare(
        self, to: str, directories: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
    ) -> Targets:
        """Check that files can be written, and make the directories that they need, or nothing.

        Args:
            to: the directory that everything goes into.
            directories: the components of those that are to be there, below it.
            targets: the components of the files.

        Raises:
            FileError: they can't be written; nothing has changed.
            TCIError: as `RemoteSession.call`.
        """
        prepared = await call(
            self._session, "upload", "prepare", to=to, directories=directories, targets=targets
        )
        paths, self._made = _texts(prepared, "targets"), _texts(prepared, "made")
        stamps = prepared.get("stamps")
        if not isinstance(stamps, list) or not len(paths) == len(stamps) == len(targets):
            raise unexpected_answer()
        self._session_id = self._session.id
        return Targets(paths, stamps)

    def part(
        self,
        target: str,
        data: bytes,
        offset: int,
        whole: str | None,
        *,
        executable: bool = False,
        replaces: bool = True,
    ) -> Part:
        """A part of a file, to be sent.

        Args:
            target: the file's path, as `prepare` gave it.
            data: its bytes.
            offset: where it begins.
            whole: of the last part the SHA-256 of the file, else None.
            executable: whether the file is one that can be run.
            replaces: whether the file takes the place of one that is there.
        """
        self._number += 1
        name = f"{PART}{self._token}-{self._number}" if data else None
        facts = {
            "name": name,
            "target": target,
            "offset": offset,
            "sha256": hashlib.sha256(data).hexdigest(),
            "whole": whole,
            "executable": executable,
            "replaces": replaces,
        }
        return Part(as_file(name, data) if name else None, facts, len(data))

    async def send(self, parts: Sequence[Part]) -> None:
        """Send parts in one request: those of a file in order.

        Raises:
            TransferFailed: they did not arrive; of their files nothing is left.
            TCIError: as `RemoteSession.call`.
        """
        self._begun = [part.facts["target"] for part in parts]
        await call(
            self._session,
            "upload",
            "receive",
            [part.file for part in parts if part.file is not None],
            token=self._token,
            parts=[part.facts for part in parts],
            origin=self._session.origin,
        )

    async def deliver(
        self, to: str, name: str, data: bytes, *, executable: bool = False, replaces: bool = True
    ) -> None:
        """Write a file of one part, in one request.

        Args:
            to: the directory that it goes into.
            name: its name there.
            data: all its bytes.
            executable: as of `part`.
            replaces: as of `part`.

        Raises:
            FileError: it can't be written; nothing has changed.
            TransferFailed: it did not arrive; nothing of it is left.
            TCIError: as `RemoteSession.call`.
        """
        whole = hashlib.sha256(data).hexdigest()
        part = self.part("", data, 0, whole, executable=executable, replaces=replaces)
        await call(
            self._session,
            "upload",
            "deliver",
            [part.file] if part.file is not None else [],
            to=to,
            name=name,
            token=self._token,
            part=part.facts,
            origin=self._session.origin,
        )

    async def discard(self) -> None:
        """Remove what is left in the session, if that can be done in bounded time."""
        if self._session.id != self._session_id:  # a new one would cost
            return
        await self._session.try_call(
            "upload",
            CLEAN_UP_LIMIT,
            operation="discard",
            token=self._token,
            targets=self._begun,
            made=self._made,
            origin=self._session.origin,
        )


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
