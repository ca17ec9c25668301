"""The session's end of `%tci push` and `pull`.

It is sent as text with each request (see `calls`), after that of `landing` and with those of
`tables` and `values` as an argument, and runs one operation. It may meet any Python from 3.7 on,
with IPython or without.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import tempfile
import types
from typing import Any, Callable, Iterable, Mapping, Sequence

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.arrival import landing, origins

# Begin the names of what is on its way: a part as it arrives, and the file that gathers them.
PART = "tci-push-"
STAGED = "tci-variables-"

MAX_NAMES = 500


def user_namespace() -> dict[str, Any]:
    """The user's variables: the namespace that the call was run in."""
    namespace: dict[str, Any] = globals()["USER"]
    return namespace


def staged(token: str) -> str:
    """The file that gathers what is on its way."""
    return os.path.join(tempfile.gettempdir(), STAGED + token)


def receive(
    values: Any,
    token: str,
    part: str,
    sha256: str,
    variables: list[Any] | None,
    *,
    origin: str | None = None,
) -> None:
    """Take a part that has just arrived; with the last one, set the variables.

    Args:
        values: the module, as in the other operations.
        token: the same for all parts.
        part: the name of its file, as it arrived.
        sha256: of its bytes.
        variables: with the last part, names and sizes in the order of the bytes.
        origin: see `landing`.
    """
    arrived = os.path.join(landing([part], origin), part)
    with open(arrived, "rb") as file:
        data = file.read()
    os.remove(arrived)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise values.Broken("A part did not arrive as it was sent.")
    with open(os.open(staged(token), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as file:
        file.write(data)
    if variables is None:
        return
    try:
        with open(staged(token), "rb") as file:
            found = {name: values.decode(file.read(size)) for name, size in variables}
    finally:
        discard(values, token)
    user_namespace().update(found)


def send(values: Any, token: str, names: list[str], limit: int) -> dict[str, Any]:
    """Write variables down; gives their sizes and the first piece, and keeps the rest."""
    found = values.look_up(names, user_namespace())
    written = [values.encode(name, value) for name, value in found.items()]
    data = b"".join(written)
    if len(data) > limit:
        with open(
            os.open(staged(token), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb"
        ) as file:
            file.write(data)
    return {"sizes": [len(item) for item in written], "piece": piece(data[:limit])}


def read(_values: Any, token: str, offset: int, length: int) -> list[str]:
    """A further piece of what `send` has written down."""
    with open(staged(token), "rb") as file:
        file.seek(offset)
        return piece(file.read(length))


def piece(data: bytes) -> list[str]:
    """Bytes as they travel: in base64, with their SHA-256."""
    return [base64.b64encode(data).decode(), hashlib.sha256(data).hexdigest()]


def discard(_values: Any, token: str, part: str = "", *, origin: str | None = None) -> None:
    """Remove what is left of a transfer: what was gathered, and a part if one is named."""
    arrived = [os.path.join(directory, part) for directory in {*origins(origin)} if part]
    for path in (staged(token), *arrived):
        if os.path.exists(path):
            os.remove(path)


def names(_values: Any, prefix: str) -> list[str]:
    """The names of the user's variables that begin with what was typed."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    hidden = () if shell is None else shell.user_ns_hidden
    return variables_like(prefix, user_namespace(), hidden)


def variables_like(prefix: str, namespace: Mapping[str, Any], hidden: Iterable[str]) -> list[str]:
    """The names in a namespace that begin so, without those of modules, functions and classes.

    Args:
        prefix: what was typed. Names that begin with an underscore are meant only if it does.
        namespace: the names with their values.
        hidden: names that are not the user's own.
    """
    found = sorted(
        name
        for name, value in list(namespace.items())
        if name.startswith(prefix)
        and (prefix or not name.startswith("_"))
        and name not in hidden
        and not (callable(value) or isinstance(value, types.ModuleType))
    )
    return found[:MAX_NAMES]


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation for operation in (receive, send, read, discard, names)
}


def main(operation: str, sources: Sequence[str] = (), **arguments: Any) -> Any:
    """Run an operation, with the texts that make up the module `values` where it needs one."""
    values = types.ModuleType("_tci_kernel_values")
    for source in sources:
        exec(compile(source, "<tci-kernel>", "exec"), vars(values))  # noqa: S102 - what it is for
    return OPERATIONS[operation](values, **arguments)
