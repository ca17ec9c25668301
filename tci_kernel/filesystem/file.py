"""A file of a session that is open."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Awaitable
from typing import Any, Protocol

from fsspec.asyn import sync
from fsspec.spec import AbstractBufferedFile

from tci_kernel.filesystem.answers import Info
from tci_kernel.filesystem.writing import Writing


class Files(Protocol):
    """What a file asks of its filesystem."""

    @property
    def loop(self) -> AbstractEventLoop:
        """Where it is asked."""

    def info(self, path: str, *, refresh: bool) -> Info:
        """What is at a path."""

    def read_range(self, path: str, info: Info, start: int, end: int) -> Awaitable[bytes]:
        """The bytes of a part of a file."""

    def begin(self, path: str, *, replaces: bool) -> Writing:
        """Begin to write a file."""


class SessionFile(AbstractBufferedFile):
    """A file that is read or written in blocks.

    One that is read must stay as it is. One that is written appears when it is closed, whole; if an
    error ends the `with` block that it was opened in, it does not.

    Args:
        fs: the filesystem.
        path: in it.
        mode: `rb`, `wb` or `xb`.
        options: as `AbstractBufferedFile` has them; `size` is not needed.
    """

    def __init__(self, fs: Files, path: str, mode: str, **options: Any) -> None:
        if mode == "rb":
            self._details = fs.info(path, refresh=True)
            options["size"] = self._details["size"]
        else:
            self._writing = fs.begin(path, replaces=mode != "xb")
        super().__init__(fs, path, mode, **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = self._run(self.fs.read_range, self.path, self.details, start, end)
        return data

    def _upload_chunk(self, final: bool = False) -> None:
        self._run(self._writing.write, self.buffer.getvalue(), is_last=final and self.autocommit)

    def commit(self) -> None:
        """Have the file appear, at the end of a transaction."""
        self._run(self._writing.write, b"", is_last=True)

    def discard(self) -> None:
        """Remove what has been written."""
        self._run(self._writing.discard)
        self.closed = True

    def _run(self, function: Any, *arguments: Any, **options: Any) -> Any:
        return sync(self.fs.loop, function, *arguments, **options)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self.writable():
            self.discard()
        else:
            self.close()
