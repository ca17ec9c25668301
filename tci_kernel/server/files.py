"""The files of a request, which are written into the working directory of its session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from tci_kernel.core.cell import File
from tci_kernel.core.errors import RequestRejected

# The names of files, and their contents, as `decode` gives them.
Decoded = Sequence[tuple[PurePosixPath, bytes]]

# What Linux and macOS allow in one component of a path, in bytes.
NAME_MAX = 255


def decode(files: Sequence[File]) -> Decoded:
    """Check all files before the first is written.

    Raises:
        RequestRejected: a name leaves the working directory or can't be a file's, or a content
            is not what its encoding says.
    """
    decoded = [
        (_checked_name(file.name, f"files.{i}.name"), _decoded_content(file, f"files.{i}.content"))
        for i, file in enumerate(files)
    ]
    names = {name for name, _ in decoded}
    for i, (name, _) in enumerate(decoded):
        if not names.isdisjoint(name.parents):
            raise rejection(i, "is below another file of the request")
    return decoded


def rejection(number: int, problem: str) -> RequestRejected:
    """What a caller is told of a file that can't be written, by its number in the request."""
    param = f"files.{number}.name"
    return RequestRejected(f"'{param}' {problem}.", param=param)


def _checked_name(name: str, param: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise RequestRejected(
            f"'{param}' must be a path inside the working directory: relative, without '..'.",
            param=param,
        )
    if not path.name or name.endswith("/") or not _is_encodable(name):
        raise RequestRejected(f"'{param}' is not the name of a file.", param=param)
    if any(len(part.encode()) > NAME_MAX for part in path.parts):
        raise RequestRejected(f"'{param}' is too long.", param=param)
    return path


def _is_encodable(name: str) -> bool:
    """Whether a file system can hold the name: no NUL, no half of a surrogate pair."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def _decoded_content(file: File, param: str) -> bytes:
    try:
        return file.to_bytes()
    except ValueError as error:
        raise RequestRejected(f"'{param}' can't be decoded: {error}.", param=param) from error
