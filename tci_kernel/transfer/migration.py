"""Carries what a session is worth into a new session. Nothing of it is written down here."""

from __future__ import annotations

import hashlib

from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.blocks import Block, Writer, read_blocks
from tci_kernel.transfer.state import Loaded, Saved
from tci_kernel.transfer.transfer import Transfer, call, unexpected_answer

# The name of the state where it arrives.
_NAME = "state"


class Migration(Transfer):
    """A session's state on its way into a new session, which begins with it.

    The new session is bought once the state is saved. If anything fails, the notebook stays in the
    old one, which goes on until it expires in any case.

    Args:
        session: what is carried over; afterwards it stands for the new one.
        with_files: see `Saved`.
        reruns: see `Saved`.

    Attributes:
        saved: what was saved of the old session.
        loaded: what the new one has got.
    """

    def __init__(
        self, session: RemoteSession, *, with_files: bool = True, reruns: bool = False
    ) -> None:
        super().__init__()
        self._session = session
        self._new = session.successor()
        self.saved = Saved(session, with_files=with_files, reruns=reruns)
        self.loaded = Loaded(self._new)

    async def run(self) -> None:
        """See `Transfer`."""
        try:
            await self.saved.make()
            path = f"{await self.loaded.prepare()}/{_NAME}"
            try:
                await self._carry(path)
                await self.loaded.load(path)
            finally:
                await self.loaded.discard()
        finally:
            await self.saved.discard()
            await self._new.release()
        self._session.move_to(self._new)

    async def _carry(self, target: str) -> None:
        """Carry the state from session to session, piece by piece."""
        found = await call(self._session, "files", "survey", sources=[[self.saved.path, []]])
        try:
            [[_, path, stamp, _]] = found["files"]
            self.total = int(stamp[0])
        except (TypeError, ValueError, LookupError) as error:
            raise unexpected_answer() from error
        whole, writer = hashlib.sha256(), Writer(self._new)
        while self.done < self.total:
            length = min(self._session.transfer_size, self.total - self.done)
            [data] = await read_blocks(self._session, [Block(path, stamp, self.done, length)])
            whole.update(data)
            is_last = self.done + length == self.total
            digest = whole.hexdigest() if is_last else None
            await writer.send([writer.part(target, data, self.done, digest)])
            self.done += length
