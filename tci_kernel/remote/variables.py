"""The session's end of `%tci push` and `pull`.

It is sent as text with each request (see `calls`), after that of `arrival`, `plain`, `tables` and
`values`, and runs one operation. It may meet any Python from 3.7 on, with IPython or without.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.arrival import arrived_in, origins
    from tci_kernel.remote.failure import BROKEN, Failure
    from tci_kernel.remote.values import decode, encode, look_up

# Begin the names of what is on its way: a part as it arrives, and the file that gathers them.
PART = "tci-push-"
STAGED = "tci-variables-"


def user_namespace() -> dict[str, Any]:
    """The user's variables: the namespace that the call was run in."""
    namespace: dict[str, Any] = globals()["USER"]
    return namespace


def staged(token: str) -> str:
    """The file that gathers what is on its way."""
    return os.path.join(tempfile.gettempdir(), STAGED + token)


def receive(
    token: str,
    part: str,
    sha256: str,
    variables: list[Any] | None,
    *,
    origin: str | None = None,
) -> None:
    """Take a part that has just arrived; with the last one, set the variables.

    Args:
        token: the same for all parts.
        part: the name of its file, as it arrived.
        sha256: of its bytes.
        variables: with the last part, names and sizes in the order of the bytes.
        origin: see `arrived_in`.
    """
    arrived = os.path.join(arrived_in([part], origin), part)
    with open(arrived, "rb") as file:
        data = file.read()
    os.remove(arrived)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Failure(BROKEN, "A part did not arrive as it was sent.")
    with open(os.open(staged(token), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as file:
        file.write(data)
    if variables is None:
        return
    try:
        with open(staged(token), "rb") as file:
            found = {name: decode(file.read(size)) for name, size in variables}
    finally:
        discard(token)
    user_namespace().update(found)


def send(token: str, names: list[str], limit: int, arrow: bool = True) -> dict[str, Any]:
    """Write variables down; gives their sizes and the first piece, and keeps the rest.

    Args:
        token: see `receive`.
        names: theirs.
        limit: bytes of a piece.
        arrow: see `encode`.
    """
    found = look_up(names, user_namespace())
    encoded = [encode(name, value, arrow) for name, value in found.items()]
    data = b"".join(encoded)
    if len(data) > limit:
        with open(
            os.open(staged(token), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb"
        ) as file:
            file.write(data)
    return {"sizes": [len(item) for item in encoded], "piece": piece(data[:limit])}


def read(token: str, offset: int, length: int) -> list[str]:
    """A further piece of what `send` has written down."""
    with open(staged(token), "rb") as file:
        file.seek(offset)
        return piece(file.read(length))


def piece(data: bytes) -> list[str]:
    """Bytes as they travel: in base64, with their SHA-256."""
    return [base64.b64encode(data).decode(), hashlib.sha256(data).hexdigest()]


def discard(token: str, part: str = "", *, origin: str | None = None) -> None:
    """Remove what is left of a transfer: what was gathered, and a part if one is named."""
    arrived = [os.path.join(directory, part) for directory in {*origins(origin)} if part]
    for path in (staged(token), *arrived):
        if os.path.exists(path):
            os.remove(path)


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation for operation in (receive, send, read, discard)
}


def main(operation: str, **arguments: Any) -> Any:
    """Run an operation."""
    return OPERATIONS[operation](**arguments)
