"""Carries what a session is worth into a new session. Nothing of it is written down here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Any

from tci_kernel.core.errors import TransferFailed
from tci_kernel.remote.upload import PART
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.state import Loaded, Saved
from tci_kernel.transfer.transfer import Transfer, call, unexpected_answer
from tci_kernel.transfer.upload import as_file

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
        self._token = secrets.token_hex(8)
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
        whole = hashlib.sha256()
        while self.done < self.total:
            length = min(self._session.transfer_size, self.total - self.done)
            answer = await call(
                self._session, "files", "read", pieces=[[path, stamp, self.done, length]]
            )
            data = _data(answer, length)
            whole.update(data)
            await self._send(target, data, whole.hexdigest())

    async def _send(self, target: str, data: bytes, whole: str) -> None:
        """Send a piece to the new session."""
        name = f"{PART}{self._token}-{self.done}"
        is_last = self.done + len(data) == self.total
        part = {
            "name": name,
            "target": target,
            "offset": self.done,
            "sha256": hashlib.sha256(data).hexdigest(),
            "whole": whole if is_last else None,
            "executable": False,
        }
        await call(
            self._new,
            "upload",
            "receive",
            [as_file(name, data)],
            token=self._token,
            parts=[part],
            origin=self._new.origin,
        )
        self.done += len(data)


def _data(answer: Any, length: int) -> bytes:
    """The bytes of a piece, as they were in the session."""
    try:
        [[text, digest]] = answer
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise unexpected_answer() from error
    if len(data) != length or hashlib.sha256(data).hexdigest() != digest:
        raise TransferFailed("A part of the session's state did not arrive as it was sent.")
    return data
