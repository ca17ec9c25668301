"""The filesystem `tci` of fsspec."""

from __future__ import annotations

import os
import weakref
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISDIR, S_IXUSR
from typing import Any

from fsspec.asyn import AsyncFileSystem, sync
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.exceptions import FSTimeoutError

from tci_kernel.filesystem.answers import Info, info_of, listed, tree
from tci_kernel.filesystem.errors import as_os_errors
from tci_kernel.filesystem.file import SessionFile
from tci_kernel.filesystem.paths import parent, split
from tci_kernel.filesystem.sessions import Sessions
from tci_kernel.filesystem.writing import Writing
from tci_kernel.remote.standing import stamp
from tci_kernel.remote.survey import Found
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.blocks import Block, read_blocks
from tci_kernel.transfer.destination import Destination
from tci_kernel.transfer.upload import blocks_of

# Seconds that the end of the process waits for sessions to be let go of.
CLOSE_LIMIT = 3.0

_SESSION = {"size": 0, "type": "directory"}


class SessionFileSystem(AsyncFileSystem):
    """The files of sessions: `tci://ses_…/data.csv` is in the session's working directory.

    `tci://ses_…//tmp/data.csv` is an absolute path, and `tci://` lists the sessions. Sessions are
    joined, never begun. What is written makes the directories that it needs.

    Args:
        api_key: the key; the kernel's if it is empty.
        base_url: where the service is; where the kernel finds it if it is empty.
        options: fsspec's own. Listings are kept for `listings_expiry_time` seconds; not without it.

    Raises:
        OSError: (each method) it can't be done, and why. Its cause is an error of this package.
    """

    protocol = "tci"

    def __init__(self, api_key: str = "", base_url: str = "", **options: Any) -> None:
        options.setdefault("use_listings_cache", "listings_expiry_time" in options)
        super().__init__(**options)
        given = {"api_key": api_key, "base_url": base_url}
        self._sessions = Sessions({name: value for name, value in given.items() if value})
        if not self.asynchronous:
            weakref.finalize(self, _close, self.loop, self._sessions, os.getpid())

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        if isinstance(stripped, str) and "/" not in stripped and str(path).endswith("//"):
            return f"{stripped}//" if stripped else ""
        return stripped

    @classmethod
    def _parent(cls, path: str) -> str:
        return parent(cls._strip_protocol(path))

    # -- what is there -----------------------------------------------------------------------

    async def _ls(
        self, path: str, detail: bool = True, *, refresh: bool = False, **_: Any
    ) -> list[Any]:
        path = self._strip_protocol(path)
        if refresh or path not in self.dircache:
            try:
                self.dircache[path] = found = await self._list(path)
            except NotADirectoryError:
                found = [await self._info(path, refresh=refresh)]
        else:
            found = self.dircache[path]
        return found if detail else [info["name"] for info in found]

    async def _list(self, path: str) -> list[Info]:
        if not path:
            with as_os_errors(path):
                return [{"name": name, **_SESSION} for name in await self._sessions.ids()]
        rows = await self._call(path, "entries")
        with as_os_errors(path):
            return [*listed(path, rows)]

    async def _info(self, path: str, *, refresh: bool = False, **_: Any) -> Info:
        path = self._strip_protocol(path)
        if not path:
            return {"name": "", **_SESSION}
        if not refresh:
            with suppress(KeyError):
                listed: list[Info] = self.dircache[parent(path)]
                for info in listed:
                    if info["name"] == path:
                        return info
        facts = await self._call(path, "look")
        with as_os_errors(path):
            return info_of(path, facts)

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **_: Any,
    ) -> Any:
        path = self._strip_protocol(path)
        found: dict[str, Info] = {}
        if not path:
            return await super()._find(path, maxdepth, withdirs, detail=detail)
        with suppress(FileNotFoundError):
            rows = await self._call(path, "tree", depth=maxdepth)
            with as_os_errors(path):
                found = tree(path, rows)
        if not withdirs:
            found = {name: info for name, info in found.items() if info["type"] != "directory"}
        return found if detail else [*found]

    def created(self, path: str) -> datetime:
        """When a file was made; where the session's system does not know it, last changed."""
        return datetime.fromtimestamp(self.info(path)["created"], UTC)

    def modified(self, path: str) -> datetime:
        """When a file was last written."""
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    # -- read --------------------------------------------------------------------------------

    def _open(self, path: str, mode: str = "rb", **options: Any) -> SessionFile:
        if "a" in mode or "+" in mode:
            raise NotImplementedError(f"Files of sessions are read or written anew, not {mode!r}.")
        if mode == "xb" and self.exists(path):
            raise FileExistsError(path)
        return SessionFile(self, path, mode, **options)

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        path = self._strip_protocol(path)
        info = await self._info(path, refresh=True)
        first, last, _step = slice(start, end).indices(info["size"])
        return await self.read_range(path, info, first, last)

    async def read_range(self, path: str, info: Info, start: int, end: int) -> bytes:
        """The bytes of a part of a file.

        Args:
            path: the file's.
            info: what is known of it; if it has changed since, that is an error.
            start: where the part begins.
            end: where it ends.
        """
        return b"".join([data async for data in self._blocks(path, info, start, end)])

    async def _blocks(self, path: str, info: Info, start: int, end: int) -> AsyncIterator[bytes]:
        if info["type"] == "directory":
            raise IsADirectoryError(path)
        _, there = split(path)
        while start < end:
            async with self._use(path) as session:
                length = min(session.transfer_size, end - start)
                [data] = await read_blocks(session, [Block(there, info["stamp"], start, length)])
            start += length
            yield data

    async def _get_file(
        self, rpath: str, lpath: str, callback: Callback = DEFAULT_CALLBACK, **_: Any
    ) -> None:
        info = await self._info(rpath, refresh=True)
        target = Path(lpath)
        if info["type"] == "directory":
            target.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - short, as all of these
            return
        callback.set_size(info["size"])
        with as_os_errors(str(lpath)):
            arriving = Destination(target, force=True).begin(target)
            try:
                async for data in self._blocks(info["name"], info, 0, info["size"]):
                    arriving.write(data)
                    callback.relative_update(len(data))
                arriving.finish()
            finally:
                arriving.discard()

    # -- write -------------------------------------------------------------------------------

    def begin(self, path: str, *, replaces: bool = True) -> Writing:
        """Begin to write a file.

        Args:
            path: the file's.
            replaces: whether it takes the place of one that is there.
        """
        path = self._strip_protocol(path)
        self.invalidate_cache(path)
        return Writing(self._use, path, split(path)[1], replaces=replaces)

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        writing = await self._beginning(path, mode)
        await writing.write(value, is_last=True)

    async def _put_file(
        self,
        lpath: str,
        rpath: str,
        mode: str = "overwrite",
        callback: Callback = DEFAULT_CALLBACK,
        **_: Any,
    ) -> None:
        found = _local(lpath)
        if found is None:
            await self._makedirs(rpath, exist_ok=True)
            return
        writing = await self._beginning(rpath, mode)
        callback.set_size(found.stamp[0])
        async with self._use(self._strip_protocol(rpath)) as session:
            limit = session.transfer_size
        with as_os_errors(str(lpath)):
            for data, _offset, whole in blocks_of(found, limit):
                is_last = whole is not None
                await writing.write(data, is_last=is_last, executable=found.executable)
                callback.relative_update(len(data))

    async def _beginning(self, path: str, mode: str) -> Writing:
        if mode == "create" and await self._exists(path):
            raise FileExistsError(path)
        return self.begin(path, replaces=mode != "create")

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        await self._change(path, "make", parents=create_parents, may_exist=False)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        await self._change(path, "make", parents=True, may_exist=exist_ok)

    async def _cp_file(self, path1: str, path2: str, **_: Any) -> None:
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if split(source)[0] == split(target)[0]:
            await self._change(source, "copy", key="source", target=split(target)[1])
            return
        info = await self._info(source, refresh=True)
        if info["type"] == "directory":
            await self._makedirs(target, exist_ok=True)
            return
        writing = self.begin(target)
        async for data in self._blocks(source, info, 0, info["size"]):
            await writing.write(data, is_last=False)
        await writing.write(b"", is_last=True)

    async def _mv_file(self, path1: str, path2: str, **_: Any) -> None:
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        await self._change(source, "move", key="source", target=split(target)[1])

    def mv(
        self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **_: Any
    ) -> None:
        """Move a file or a directory, with all that is in it; from session to session as a copy."""
        paths = [self._strip_protocol(path) for path in (path1, path2)]
        is_one = all(isinstance(path, str) for path in paths)
        if is_one and maxdepth is None and split(paths[0])[0] == split(paths[1])[0]:
            sync(self.loop, self._mv_file, *paths)
        else:
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth)

    # -- remove ------------------------------------------------------------------------------

    async def _rm(
        self, path: str | Sequence[str], recursive: bool = False, maxdepth: Any = None, **_: Any
    ) -> None:
        if maxdepth is not None:
            raise NotImplementedError("Directories are removed with all that is in them.")
        by_session: dict[str, list[str]] = {}
        for found in await self._expand_path(path):
            by_session.setdefault(split(found)[0], []).append(found)
        for paths in by_session.values():
            there = [split(found)[1] for found in paths]
            await self._change(paths[0], "remove", key="", paths=there, recursive=recursive)

    async def _rm_file(self, path: str, **_: Any) -> None:
        await self._rm(path)

    def rmdir(self, path: str) -> None:
        """Remove a directory that is empty."""
        sync(self.loop, self._change, path, "remove_directory")

    # -- calls -------------------------------------------------------------------------------

    async def _change(self, path: str, operation: str, key: str = "path", **arguments: Any) -> None:
        path = self._strip_protocol(path)
        self.invalidate_cache(path)
        await self._call(path, operation, key, **arguments)

    async def _call(self, path: str, operation: str, key: str = "path", **arguments: Any) -> Any:
        """Run an operation of `remote/places.py`; its argument `key` is the path, if it has one."""
        if key:
            arguments[key] = split(path)[1]
        async with self._use(path) as session:
            return await session.call("places", operation=operation, **arguments)

    @asynccontextmanager
    async def _use(self, path: str) -> AsyncIterator[RemoteSession]:
        with as_os_errors(path):
            async with self._sessions.use(split(path)[0]) as session:
                yield session

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget what was listed."""
        super().invalidate_cache(path)
        self.dircache.clear()


def _local(path: str) -> Found | None:
    """A file of this computer that is sent; None of a directory."""
    status = Path(path).stat()
    is_executable = bool(status.st_mode & S_IXUSR)
    return None if S_ISDIR(status.st_mode) else Found([], path, stamp(status), is_executable)


def _close(loop: AbstractEventLoop, sessions: Sessions, process: int) -> None:
    """Let go of sessions when their filesystem is no longer used, or the process ends."""
    if os.getpid() == process and loop.is_running():
        with suppress(OSError, RuntimeError, FSTimeoutError):
            sync(loop, sessions.aclose, timeout=CLOSE_LIMIT)
