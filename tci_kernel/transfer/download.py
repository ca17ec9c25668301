"""Fetches files from a session."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tci_kernel.core.errors import InvalidAnswer, TCIError, TransferFailed
from tci_kernel.remote.standing import stamp
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.blocks import Block, read_blocks
from tci_kernel.transfer.destination import Arriving, Destination
from tci_kernel.transfer.requested import is_requested
from tci_kernel.transfer.sources import root
from tci_kernel.transfer.transfer import Transfer, add_fate, batches, call, unexpected_answer


@dataclass(frozen=True, slots=True)
class _RemoteFile:
    """A file in the session, and where it goes."""

    name: str
    path: str
    stamp: list[int]
    target: Path

    @property
    def size(self) -> int:
        return self.stamp[0]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a file that travels in one answer."""

    remote: _RemoteFile
    offset: int
    length: int

    @property
    def is_last(self) -> bool:
        return self.offset + self.length == self.remote.size


class Download(Transfer):
    """Files on their way from a session.

    Args:
        session: where they are.
        paths: files, directories and patterns there, as the user typed them.
        to: a directory on this computer or, of one file or directory, its new path.
        force: whether files that exist are replaced.
    """

    def __init__(
        self, session: RemoteSession, paths: Sequence[str], to: str = ".", *, force: bool = False
    ) -> None:
        super().__init__()
        self._session = session
        base = os.path.expanduser(to)  # noqa: PTH111 - unlike pathlib's, these two never fail
        is_directory = to.endswith(("/", os.sep)) or os.path.isdir(base)  # noqa: PTH112
        is_new_name = len(paths) == 1 and not is_directory
        self._sources = [(path, [] if is_new_name else root(path)) for path in paths]
        self._destination = Destination(Path(base), force=force)
        self._files: list[_RemoteFile] = []
        self._arriving: Arriving | None = None

    async def run(self) -> None:
        """See `Transfer`."""
        found = await call(self._session, "files", "survey", sources=self._sources)
        directories = self._read_survey(found)
        self.directories = len(directories)
        self._leave_out_itself()
        for remote in self._files:
            self._destination.check_file(remote.target)
        for directory in directories:
            self._destination.check_directory(directory)
        is_complete = False
        try:
            for directory in directories:
                self._destination.make(directory)
            await self._fetch()
            is_complete = True
        except TCIError as error:
            add_fate(error, arrived=len(self.sizes), total=len(self._files), where="here")
            raise
        finally:
            if self._arriving is not None:
                self._arriving.discard()
            if not is_complete:
                self._destination.discard()

    def _leave_out_itself(self) -> None:
        """Decide which files are fetched: none onto itself, where the session works on ours."""
        pending = []
        for remote in self._files:
            if _is_itself(remote):
                self.there.append(remote.name)
                self.total -= remote.size
            else:
                pending.append(remote)
        self._files = pending

    async def _fetch(self) -> None:
        limit = self._session.transfer_size
        for batch in batches(self._pieces(limit), limit, lambda piece: piece.length):
            for piece, data in zip(batch, await self._read(batch), strict=True):
                await self._write(piece, data)

    async def _write(self, piece: _Piece, data: bytes) -> None:
        """Write a piece; after the last of a file, put it into its place."""
        arriving = self._arriving or self._destination.begin(piece.remote.target)
        self._arriving = arriving
        arriving.write(data)
        self.done += len(data)
        if piece.is_last:
            if piece.offset > 0:
                await self._check(piece.remote, arriving.sha256.hexdigest())
            arriving.finish()
            self._arriving = None
            self.sizes[piece.remote.name] = piece.remote.size

    def _pieces(self, limit: int) -> Iterator[_Piece]:
        for remote in self._files:
            for offset in range(0, remote.size or 1, limit):
                yield _Piece(remote, offset, min(limit, remote.size - offset))

    async def _read(self, batch: Sequence[_Piece]) -> list[bytes]:
        blocks = [Block(p.remote.path, p.remote.stamp, p.offset, p.length) for p in batch]
        return await read_blocks(self._session, blocks)

    async def _check(self, remote: _RemoteFile, whole: str) -> None:
        """Compare a file of several pieces with what arrived: it may have changed in between."""
        sent = await call(self._session, "files", "digest", path=remote.path, known=remote.stamp)
        if sent != whole:
            raise TransferFailed(f"{remote.name!r} did not arrive as it is in the session.")

    def _read_survey(self, found: Any) -> list[Path]:
        """Read what the session says that there is; gives the directories that are needed."""
        try:
            self._files = [
                _RemoteFile(
                    "/".join(parts) or Path(path).name,
                    str(path),
                    [int(number) for number in stamp],
                    self._place(parts),
                )
                for parts, path, stamp, _ in found["files"]
            ]
            self.left_out = [str(text) for text in found["left_out"]]
            directories = [self._place(parts) for parts in found["directories"]]
            if any(remote.size < 0 for remote in self._files):
                raise unexpected_answer()
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise unexpected_answer() from error
        self.total = sum(remote.size for remote in self._files)
        return directories

    def _place(self, parts: list[str]) -> Path:
        """Where something goes that the session offers."""
        if not is_requested(parts, self._sources):
            raise InvalidAnswer(
                f"The session offers {'/'.join(parts)!r}, which was not asked for.",
                fate="Nothing was transferred.",
            )
        return self._destination.path_of(parts)


def _is_itself(remote: _RemoteFile) -> bool:
    """Whether a file of the session is the one in whose place it is to be put."""
    real = os.path.realpath(remote.target)
    try:
        return real == remote.path and stamp(os.stat(real)) == remote.stamp  # noqa: PTH116
    except OSError:
        return False
