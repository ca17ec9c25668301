"""What all transfers share: how the session is called, and how much goes into a request."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tci_kernel.core.cell import File
from tci_kernel.core.errors import (
    FileError,
    InvalidAnswer,
    RemoteCallFailed,
    TCIError,
    TransferFailed,
)
from tci_kernel.remote.failure import REFUSED
from tci_kernel.session.session import RemoteSession

T = TypeVar("T")

# What a part counts beside its bytes, for its name, its hash and the work of a file. So many small
# ones share a request, but no more than are written within moments.
OVERHEAD = 4_096

# How Python names a full disk.
_FULL = f"[Errno {errno.ENOSPC}]"

# Seconds for removing what a transfer leaves that does not end well.
CLEAN_UP_LIMIT = 5.0


async def call(
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
        raise error_from(error, FileError) from error


def error_from(failed: RemoteCallFailed, refusal: type[TCIError]) -> TCIError:
    """The error that a user reads where a call has failed in the session.

    Args:
        failed: how it failed.
        refusal: what is raised where what is asked can't be done.
    """
    said = f"In the session: {failed.text}"
    if failed.code == REFUSED:
        return refusal(said)
    is_full = _FULL in failed.text
    advice = "Remove something there, then try again." if is_full else ""
    return TransferFailed(said, advice=advice)


def add_fate(error: TCIError, *, arrived: int, total: int, where: str) -> None:
    """Say in an error what has become of the files whose transfer it ended.

    Args:
        error: theirs.
        arrived: how many are in their places.
        total: how many there were to be.
        where: at which end that is: `here` or `there`.
    """
    fate = f"{arrived} of {total} files are {where}, and whole; the others have not been written."
    if total == 1:
        fate = "The file has not been written."
    error.fate = f"{error.fate} {fate}".lstrip()


class Transfer:
    """Files or variables on their way.

    Attributes:
        total: bytes of all of them, once they are known.
        done: bytes that have arrived.
        sizes: of those that have arrived and are in their places, by name.
        directories: how many there are at the destination, with or without files in them.
        left_out: what was found and can't be transferred, a sentence each.
        there: the names of files that would have been copied onto themselves.
    """

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self.sizes: dict[str, int] = {}
        self.directories = 0
        self.left_out: Sequence[str] = ()
        self.there: list[str] = []

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


def unexpected_answer() -> InvalidAnswer:
    """What is raised if the session answers, but with something else."""
    return InvalidAnswer("The session's answer is not what was asked for.")
