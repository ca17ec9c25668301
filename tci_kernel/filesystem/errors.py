"""What users of files expect to be raised: `OSError`, with our text."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tci_kernel.core.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ConnectionLost,
    FileError,
    InvalidKey,
    MissingKey,
    ReadTimeout,
    RemoteCallFailed,
    TCIError,
)
from tci_kernel.remote.failure import REFUSED


class NoSession(FileError):
    """There is no session whose files could be used.

    Args:
        session_id: the one that was named.
    """

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"The service lists no session {session_id!r} of yours: it has expired, or is another "
            "key's."
        )


# The number of the error, where it is not of the session's system.
_NUMBERS: tuple[tuple[type[TCIError] | tuple[type[TCIError], ...], int], ...] = (
    (NoSession, errno.ENOENT),
    ((MissingKey, InvalidKey, AuthenticationFailed), errno.EACCES),
    (ReadTimeout, errno.ETIMEDOUT),
    (ConnectionFailed, errno.ECONNREFUSED),
    (ConnectionLost, errno.ECONNRESET),
)


@contextmanager
def as_os_errors(path: str) -> Iterator[None]:
    """Raise our errors as Python's.

    Args:
        path: what was asked for.

    Raises:
        OSError: of the class that fits, such as `FileNotFoundError`; ours is its cause.
    """
    try:
        yield
    except TCIError as error:
        raise _os_error(error, path) from error


def _os_error(error: TCIError, path: str) -> OSError:
    said = error if isinstance(error, RemoteCallFailed) else error.__cause__
    if isinstance(said, RemoteCallFailed):
        number = getattr(errno, said.code, None)
        if isinstance(number, int):
            return OSError(number, os.strerror(number), path)
        if said.code == REFUSED:
            return PermissionError(errno.EPERM, str(error), path)
    number = next((number for kind, number in _NUMBERS if isinstance(error, kind)), errno.EIO)
    return OSError(number, str(error), path)
