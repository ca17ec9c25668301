"""Saves what a session is worth into a file here, and gives it to a session again.

What is pickled is pickled and unpickled in sessions alone; here it is bytes.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from tci_kernel.remote.standing import stamp
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.destination import Destination
from tci_kernel.transfer.download import Download
from tci_kernel.transfer.ignore import Rules
from tci_kernel.transfer.increment import blocks_in, complete
from tci_kernel.transfer.saved_state import is_saved_state, read
from tci_kernel.transfer.sources import find_sources
from tci_kernel.transfer.transfer import CLEAN_UP_LIMIT, call, unexpected_answer
from tci_kernel.transfer.upload import Upload

# Bytes of all files that are taken along, and how many.
MOST_BYTES = 2_000_000_000
MOST_FILES = 20_000


def cloudpickle_source() -> str:
    """The text of cloudpickle, a module in one file, which pickles what cells define."""
    return files("cloudpickle").joinpath("cloudpickle.py").read_text(encoding="utf-8")


class Saved:
    """A state that lies in its session, for somebody to fetch.

    Args:
        session: whose it is.
        with_files: whether files below the session's working directory are taken along.
        reruns: whether cells make variables again, when it is loaded, that use what is outside the
            session.

    Attributes:
        path: where it is, once it is there.
        variables: how many there are in it.
        files: how many.
        again: the numbers of the cells that run again when it is loaded.
        seconds: how long these cells took.
        lost: what could not be saved, and why.
        left_out: files that were not taken along, a sentence each.
    """

    def __init__(self, session: RemoteSession, *, with_files: bool, reruns: bool) -> None:
        self._session = session
        self._with_files = with_files
        self._reruns = reruns
        self._token = secrets.token_hex(8)
        self._session_id = session.id
        self.path = ""
        self.variables = 0
        self.files = 0
        self.again: list[int] = []
        self.seconds = 0.0
        self.lost: list[tuple[str, str]] = []
        self.left_out: Sequence[str] = ()

    async def make(self, known: Sequence[str] = ()) -> None:
        """Save it.

        Args:
            known: the names of blocks that who fetches it has already.

        Raises:
            TCIError: as `transfer.call`.
        """
        files, directories = await self._choose() if self._with_files else ([], [])
        answer = await call(
            self._session,
            "saving",
            "save",
            token=self._token,
            cloudpickle=cloudpickle_source(),
            paths=files,
            directories=directories,
            known=known,
            reruns=self._reruns,
        )
        try:
            self.again = [int(number) for number in answer["again"]]
            self.seconds = float(answer["seconds"])
            self.variables, self.files = int(answer["variables"]), int(answer["files"])
            self.lost = [(str(path), str(reason)) for path, reason in answer["left_out"]]
            self.path = str(answer["path"])
        except (TypeError, ValueError, LookupError) as error:
            raise unexpected_answer() from error

    async def discard(self) -> None:
        """Remove it from the session, if that can be done in bounded time."""
        if self._session.id == self._session_id:  # a new one has nothing of it
            await self._session.try_call(
                "saving", CLEAN_UP_LIMIT, operation="discard", token=self._token
            )

    async def _choose(self) -> tuple[list[list[str]], list[list[str]]]:
        """The files and the directories that are taken along."""
        found = await call(self._session, "saving", "survey")
        try:
            self.left_out = left_out = [str(text) for text in found["left_out"]]
            if _is_ours(str(found["directory"]), found["stamp"]):
                return [], []  # they stay where they are, whatever becomes of the session
            ignore = {str(place): str(text) for place, text in found["ignore"].items()}
            rows = [([str(part) for part in parts], int(size)) for parts, size in found["files"]]
            directories = [[str(part) for part in parts] for parts in found["directories"]]
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise unexpected_answer() from error
        kept = await asyncio.to_thread(_kept, rows, directories, ignore)
        chosen: list[list[str]] = []
        total = 0
        for parts, size in kept[0]:
            if len(chosen) < MOST_FILES and total + size <= MOST_BYTES:
                chosen.append(parts)
                total += size
            else:
                left_out.append(f"{'/'.join(parts)}: there are too many files, or too large ones.")
        return chosen, kept[1][:MOST_FILES]


class Save(Download):
    """A session's state on its way into a file.

    Args:
        session: what is saved.
        path: the file, which is this user's alone; another saved state there is replaced.
        with_files: see `Saved`.
        reruns: see `Saved`.
        force: whether any other file is replaced as well.

    Attributes:
        saved: what there is in it.

    Raises:
        FileError: there is another file.
    """

    def __init__(
        self,
        session: RemoteSession,
        path: Path,
        *,
        with_files: bool = True,
        reruns: bool = False,
        force: bool = False,
    ) -> None:
        Destination(path, force=force or is_saved_state(path)).check_file(path)
        super().__init__(session, [])
        self._path = path
        self._arrives_at = path.with_name(f".tci-state-{secrets.token_hex(8)}")
        self._destination = Destination(self._arrives_at, force=False, is_private=True)
        self.saved = Saved(session, with_files=with_files, reruns=reruns)

    async def run(self) -> None:
        """See `Transfer`."""
        try:
            known = await asyncio.to_thread(blocks_in, self._path)
            await self.saved.make(known)
            self._sources = [(self.saved.path, [])]
            await super().run()
            self.left_out = self.saved.left_out
            await asyncio.to_thread(self._put_into_place, bool(known))
        finally:
            self._arrives_at.unlink(missing_ok=True)
            await self.saved.discard()

    def _put_into_place(self, is_increment: bool) -> None:
        """Replace what is there, in one step."""
        if is_increment:
            complete(self._arrives_at, self._path)
        else:
            self._arrives_at.replace(self._path)


def _is_ours(directory: str, identity: Any) -> bool:
    """Whether a session works in this process's own working directory."""
    with suppress(OSError):
        here = stamp(os.stat("."))  # noqa: PTH116 - the stamp is of os's
        return bool(Path.cwd() == Path(directory) and here[2:] == identity[2:])
    return False


def _kept(
    rows: Sequence[tuple[list[str], int]], directories: Sequence[list[str]], ignore: dict[str, str]
) -> tuple[list[tuple[list[str], int]], list[list[str]]]:
    """The files and directories of a session that its own `.gitignore` files do not ignore.

    Args:
        rows: the parts of the files' paths, and sizes.
        directories: the parts of theirs.
        ignore: the texts of `.gitignore` files by their directories.
    """
    with tempfile.TemporaryDirectory() as top:
        for place, text in ignore.items():
            directory = Path(top, *_checked(place.split("/") if place else []))
            directory.mkdir(parents=True, exist_ok=True)
            (directory / ".gitignore").write_text(text)
        Path(top, ".git").mkdir()  # no rules of directories above
        rules = Rules(top, ())

        def keeps(parts: list[str], is_directory: bool) -> bool:
            return rules.keep(os.path.join(top, *_checked(parts)), is_directory)  # noqa: PTH118

        return (
            [(parts, size) for parts, size in rows if keeps(parts, False)],
            [parts for parts in directories if parts and keeps(parts, True)],
        )


def _checked(parts: list[str]) -> list[str]:
    """Parts of a path that lead nowhere but below."""
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise unexpected_answer()
    return parts


class Loaded:
    """A state that is given to a session, once it lies there.

    Args:
        session: what gets it.

    Attributes:
        variables: how many the session has got, once it has.
        files: how many.
        installed: packages that were installed for it.
        again: the numbers of the cells that ran again for it.
        failed: what did not work, and why.
        notes: what else the user should know, a sentence each.
    """

    def __init__(self, session: RemoteSession) -> None:
        self._session = session
        self._token = secrets.token_hex(8)
        self._session_id: str | None = None
        self.variables = 0
        self.files = 0
        self.installed: list[str] = []
        self.again: list[int] = []
        self.failed: list[tuple[str, str]] = []
        self.notes: list[str] = []

    async def prepare(self) -> str:
        """Make the directory there that the state arrives in; gives its path.

        Raises:
            TCIError: as `transfer.call`.
        """
        directory = str(await call(self._session, "loading", "prepare", token=self._token))
        self._session_id = self._session.id
        return directory

    async def load(self, path: str) -> None:
        """Give the session what has arrived.

        Args:
            path: of the file.

        Raises:
            TCIError: as `transfer.call`.
        """
        answer = await call(
            self._session, "loading", "load", path=path, cloudpickle=cloudpickle_source()
        )
        try:
            self.variables, self.files = int(answer["loaded"]), int(answer["files"])
            self.installed = [str(name) for name in answer["installed"]]
            self.again = [int(number) for number in answer["again"]]
            self.failed = [(str(name), str(reason)) for name, reason in answer["failed"]]
            self.notes = [str(note) for note in answer["notes"]]
        except (TypeError, ValueError, LookupError) as error:
            raise unexpected_answer() from error

    async def discard(self) -> None:
        """Remove what has arrived, if that can be done in bounded time."""
        if self._session.id == self._session_id:  # a new one has nothing of it
            await self._session.try_call(
                "loading", CLEAN_UP_LIMIT, operation="discard", token=self._token
            )


class Load(Upload):
    """A saved state on its way into a session.

    Args:
        session: what gets it.
        path: the file.

    Attributes:
        loaded: what the session has got of it.

    Raises:
        FileError: the file is no saved state.
    """

    def __init__(self, session: RemoteSession, path: Path) -> None:
        read(path)
        super().__init__(session, find_sources([str(path)]))
        self._name = path.name
        self.loaded = Loaded(session)

    async def run(self) -> None:
        """See `Transfer`."""
        self._to = await self.loaded.prepare()
        try:
            await super().run()
            await self.loaded.load(f"{self._to}/{self._name}")
        finally:
            await self.loaded.discard()
