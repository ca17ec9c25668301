"""Sends files into a session."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tci_kernel.core.errors import TCIError, TransferFailed
from tci_kernel.remote.standing import stamp
from tci_kernel.remote.survey import Found
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.blocks import Part, Writer
from tci_kernel.transfer.sources import Sources
from tci_kernel.transfer.transfer import Transfer, add_fate, batches


class Upload(Transfer):
    """Files on their way into a session.

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
        self._writer = Writer(session)
        self._pending: list[tuple[Found, str]] = []

    async def run(self) -> None:
        """See `Transfer`."""
        parts = [found.parts for found in self._sources.files]
        targets = await self._writer.prepare(self._to, self._sources.directories, parts)
        self._leave_out_itself(targets.paths, targets.stamps)
        is_complete = False
        try:
            await self._send()
            is_complete = True
        except TCIError as error:
            add_fate(error, arrived=len(self.sizes), total=len(self._pending), where="there")
            raise
        finally:
            if not is_complete:
                await self._writer.discard()

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
            for batch in batches(parts, limit, lambda sent: sent[0].size):
                await self._writer.send([part for part, _ in batch])
                self._count(batch)

    def _count(self, batch: Sequence[tuple[Part, Found]]) -> None:
        for part, found in batch:
            self.done += part.size
            if part.facts["whole"]:
                self.sizes["/".join(found.parts)] = found.stamp[0]

    def _parts(self, limit: int) -> Generator[tuple[Part, Found]]:
        for found, target in self._pending:
            for data, offset, whole in blocks_of(found, limit):
                is_executable = found.executable
                part = self._writer.part(target, data, offset, whole, executable=is_executable)
                yield part, found


def blocks_of(found: Found, limit: int) -> Iterator[tuple[bytes, int, str | None]]:
    """The bytes of a file of this computer, in blocks.

    Yields:
        each block with its offset; the last with the SHA-256 of the file, which is else None.

    Raises:
        TransferFailed: it can't be read, or is no longer what was found.
    """
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
