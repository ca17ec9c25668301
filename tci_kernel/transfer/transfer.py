"""What uploads and downloads share: how the session is asked, and how much goes into a request."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tci_kernel.client.schema import File
from tci_kernel.core.errors import FileError, InvalidAnswer, RemoteCallFailed, TransferFailed
from tci_kernel.session.session import RemoteSession

T = TypeVar("T")

# What a part counts beside its bytes, for its name, its hash and the work of a file. So many small
# ones share a request, but no more than are written within moments.
OVERHEAD = 4_096

# How Python names a full disk.
_FULL = f"[Errno {errno.ENOSPC}]"

# Seconds for removing what a transfer leaves that does not end well.
CLEAN_UP_LIMIT = 5.0


async def ask(
    session: RemoteSession,
    program: str,
    operation: str,
    files: Sequence[File] = (),
    **arguments: Any,
) -> Any:
    """Run an operation of a program in the session.

    Raises:
        FileError: what is asked can't be done; nothing has changed.
        TransferFailed: it broke off.
        TCIError: as `RemoteSession.call`.
    """
    try:
        return await session.call(program, files, operation=operation, **arguments)
    except RemoteCallFailed as error:
        if error.ename == "Refused":
            raise FileError(_said(error.evalue)) from error
        text = error.evalue if error.ename == "Broken" else f"{error.ename}: {error.evalue}"
        if _FULL in text:
            text += "\nRemove something there, then try again."
        raise TransferFailed(_said(text)) from error


def _said(text: str) -> str:
    return "In the session: " + "\n".join(printable(line) for line in text.splitlines())


class Transfer:
    """Files on their way.

    Attributes:
        total: bytes of all files, once they are known.
        done: bytes that have arrived.
        sizes: of the files that have arrived and are in their places, by name.
        directories: how many there are at the destination, with or without files in them.
        left_out: what was found and can't be transferred, a sentence each.
    """

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self.sizes: dict[str, int] = {}
        self.directories = 0
        self.left_out: Sequence[str] = ()

    async def run(self) -> None:
        """Transfer all, or as many whole files as possible; leave nothing else behind.

        Raises:
            FileError: what is asked can't be done; nothing has changed.
            TransferFailed: it broke off.
            TCIError: as `RemoteSession.call`.
        """
        raise NotImplementedError


def batches(items: Iterable[T], limit: int, size: Callable[[T], int]) -> Iterator[list[T]]:
    """Items in groups that fit into a request each; what does not fit is alone in its own.

    Args:
        items: taken no earlier than needed.
        limit: bytes of a request.
        size: bytes of an item.
    """
    batch: list[T] = []
    weight = 0
    for item in items:
        added = size(item) + OVERHEAD
        if batch and weight + added > limit:
            yield batch
            batch, weight = [], 0
        batch.append(item)
        weight += added
    if batch:
        yield batch


def not_asked_for() -> InvalidAnswer:
    """What is raised if the session answers, but with something else."""
    return InvalidAnswer("The session's answer is not what was asked for.")


def printable(name: str) -> str:
    """A name with escapes in place of what does not print, such as a terminal's controls."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in name
    )
