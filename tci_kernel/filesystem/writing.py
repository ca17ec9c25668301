"""A file that is written in a session."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.blocks import Writer

Use = Callable[[str], AbstractAsyncContextManager[RemoteSession]]


class Writing:
    """A file that appears once its last block has been written.

    Args:
        use: gives the session of a path.
        path: the file's, as the filesystem has it.
        there: the same in the session.
        replaces: whether it takes the place of one that is there.
    """

    def __init__(self, use: Use, path: str, there: str, *, replaces: bool = True) -> None:
        self._use = use
        self._path = path
        directory, self._name = posixpath.split(there)
        self._directory = directory or "."
        self._replaces = replaces
        self._whole = hashlib.sha256()
        self._written = 0
        self._writer: Writer | None = None
        self._target = ""

    async def write(self, data: bytes, *, is_last: bool, executable: bool = False) -> None:
        """Write the next bytes, in blocks. If that fails, nothing of the file is left.

        Args:
            data: the bytes.
            is_last: whether the file is whole with them.
            executable: whether it can be run.

        Raises:
            OSError: it can't be written.
        """
        async with self._use(self._path) as session:
            limit = session.transfer_size
            try:
                if self._writer is None:
                    self._writer = Writer(session)
                    if is_last and len(data) <= limit:
                        await self._writer.deliver(
                            self._directory,
                            self._name,
                            data,
                            executable=executable,
                            replaces=self._replaces,
                        )
                        return
                    targets = await self._writer.prepare(self._directory, [], [[self._name]])
                    self._target = targets.paths[0]
                for start in range(0, len(data) or is_last, limit):
                    block = data[start : start + limit]
                    self._whole.update(block)
                    ends = is_last and start + limit >= len(data)
                    part = self._writer.part(
                        self._target,
                        block,
                        self._written,
                        self._whole.hexdigest() if ends else None,
                        executable=executable,
                        replaces=self._replaces,
                    )
                    await self._writer.send([part])
                    self._written += len(block)
            except BaseException:
                if self._writer is not None:
                    await self._writer.discard()
                raise

    async def discard(self) -> None:
        """Remove what has been written."""
        if self._writer is not None:
            async with self._use(self._path):
                await self._writer.discard()
