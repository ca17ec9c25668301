"""Where downloads go, and how files come into being there. No name from the session is trusted."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath

from tci_kernel.core.errors import FileError, InvalidAnswer, TransferFailed

# What Windows takes for a device, with any ending.
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{name}{i}" for name in ("COM", "LPT") for i in range(10)
}


class Destination:
    """What files are downloaded into.

    Args:
        base: the directory, or the one file's new path.
        force: whether files that exist are replaced.
        is_private: whether the files are for this user's eyes alone.
    """

    def __init__(self, base: Path, *, force: bool, is_private: bool = False) -> None:
        self._base = base
        self._force = force
        self._mode = 0o600 if is_private else 0o666
        self._made: list[Path] = []

    def path_of(self, parts: Sequence[str]) -> Path:
        """The path that something gets, by the components of its path as the session gave them.

        Raises:
            InvalidAnswer: they would lead somewhere else.
            FileError: a link on this computer would.
        """
        for part in parts:
            check_component(part)
        path = self._base.joinpath(*parts)
        with _raising(FileError, path):
            real = path.parent.resolve() if parts else self._base.resolve()
            if not real.is_relative_to(self._base.resolve()):
                raise FileError(
                    f"{str(path)!r} lies outside, over a link.", advice="Choose another --to."
                )
        return path

    def check_file(self, path: Path) -> None:
        """Check that a file may be written.

        Raises:
            FileError: it may not, and why.
        """
        with _raising(FileError, path):
            self.check_directory(path.parent)
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                return
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise FileError(f"{str(path)!r} is there already, and is not a file.")
            if not self._force:
                raise FileError(
                    f"{str(path)!r} is there already.", advice="Replace it with --force."
                )

    def check_directory(self, path: Path) -> None:
        """Check that a directory is there and can be written to, or can be made.

        Raises:
            FileError: it can't, and why.
        """
        with _raising(FileError, path):
            while not os.path.lexists(path):
                path = path.parent
            if not path.is_dir():
                raise FileError(f"{str(path)!r} is needed as a directory, and is none.")
            if not os.access(path, os.W_OK):
                raise FileError(f"There is no permission to write into {str(path)!r}.")

    def make(self, path: Path) -> None:
        """Make a directory and its parents.

        Raises:
            TransferFailed: it can't be made.
        """
        with _raising(TransferFailed, path):
            for directory in (*reversed(path.parents), path):
                if not directory.is_dir():
                    directory.mkdir()
                    self._made.append(directory)

    def begin(self, path: Path) -> Arriving:
        """Begin to write a file."""
        self.make(path.parent)
        return Arriving(path, force=self._force, mode=self._mode)

    def discard(self) -> None:
        """Remove the directories that were made, unless something is in them."""
        for directory in reversed(self._made):
            with suppress(OSError):
                directory.rmdir()


class Arriving:
    """A file that appears whole or not at all: it is written beside its place under another name.

    Attributes:
        sha256: of what has been written.

    Raises:
        TransferFailed: (each method) it can't be written, and why.
    """

    def __init__(self, path: Path, *, force: bool, mode: int = 0o666) -> None:
        self._path = path
        self._force = force
        self.sha256 = hashlib.sha256()
        self._beside = path.with_name(f".tci-download-{secrets.token_hex(8)}")
        with _raising(TransferFailed, path):
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            self._file = open(os.open(self._beside, flags, mode), "wb", buffering=0)  # noqa: PTH123, SIM115 - with a mode

    def write(self, data: bytes) -> None:
        """Write the next bytes."""
        self.sha256.update(data)
        rest = memoryview(data)
        with _raising(TransferFailed, self._path):
            while rest:
                rest = rest[self._file.write(rest) :]

    def finish(self) -> None:
        """Put the file into its place, in one step."""
        self._file.close()
        with _raising(TransferFailed, self._path):
            if not self._force:
                # What came meanwhile stays: this fails if there is anything.
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL))
            self._beside.replace(self._path)

    def discard(self) -> None:
        """Remove what has been written."""
        self._file.close()
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)


def check_component(part: str, *, windows: bool = os.name == "nt") -> None:
    """Check that a component of a path leads into the directory that it is put below.

    Raises:
        InvalidAnswer: it may not.
    """
    bad = part in ("", ".", "..") or "/" in part or "\0" in part
    if windows and not bad:
        path = PureWindowsPath(part)
        device = part.partition(".")[0].rstrip().upper() in _DEVICES
        bad = path.name != part or device or ":" in part or part[-1] in ". "
    if bad:
        raise InvalidAnswer(
            f"The session names a file {part!r}, which can't be one here.",
            fate="Nothing was transferred.",
        )


@contextmanager
def _raising(kind: type[FileError] | type[TransferFailed], path: Path) -> Iterator[None]:
    """Raise a failure of the system as an error of ours, which names the path."""
    try:
        yield
    except OSError as error:
        advice = "Make room, then try again." if error.errno == errno.ENOSPC else ""
        raise kind(f"{str(path)!r} can't be written: {error.strerror}.", advice=advice) from error
    except (ValueError, RuntimeError) as error:  # no path at all; a loop of links in Python 3.11
        raise kind(f"{str(path)!r} can't be written: {error}.") from error
