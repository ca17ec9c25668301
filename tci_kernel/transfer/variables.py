"""Moves variables by value between this process and the session.

How they are written down is `remote/values`, on both ends; `remote/variables` is the session's.
Nothing that comes from the session is trusted: sizes and hashes are checked, none of it is run.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import keyword
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from tci_kernel.config.environment import install_command
from tci_kernel.core.cell import File
from tci_kernel.core.errors import (
    InvalidAnswer,
    RemoteCallFailed,
    TransferFailed,
    UsageError,
    VariableError,
)
from tci_kernel.core.text import printable
from tci_kernel.remote.failure import MISSING, Failure
from tci_kernel.remote.values import decode, encode, look_up
from tci_kernel.remote.variables import PART
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.transfer import CLEAN_UP_LIMIT, Transfer, error_from, unexpected_answer

# What reads and writes tables in its own form, and is missing in some places.
ARROW = "pyarrow"


def check_names(names: Sequence[str]) -> list[str]:
    """The names, each once, and as Python itself writes them.

    Raises:
        UsageError: one can't be a variable's.
    """
    for name in names:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(
                f"{name!r} can't be a variable's name.", advice="Blanks stand between names."
            )
    return list(dict.fromkeys(unicodedata.normalize("NFKC", name) for name in names))


def encode_variables(
    names: Sequence[str], namespace: Mapping[str, Any], *, arrow: bool = True
) -> dict[str, bytes]:
    """Local variables as they travel.

    Args:
        names: theirs.
        namespace: where they are.
        arrow: whether tables may travel as Arrow, which takes PyArrow at the other end.

    Raises:
        VariableError: there is no such variable, or it can't be moved.
    """
    try:
        found = look_up(names, dict(namespace))
        return {name: encode(name, value, arrow) for name, value in found.items()}
    except Failure as failure:
        if failure.code == MISSING:
            raise _missing_here(str(failure)) from failure
        raise VariableError(str(failure), fate="Nothing was sent.") from failure


class _MissingThere(VariableError):
    """The session lacks a package.

    Attributes:
        package: its name.
    """

    def __init__(self, package: str) -> None:
        super().__init__(
            f"The session has no package {package}.",
            advice=f"Install it there: %pip install --upgrade {package}",
        )
        self.package = package

    @property
    def ename(self) -> str:
        """As of all errors about variables."""
        return VariableError.__name__


class _Moving(Transfer):
    """Variables on their way, under a token of their own."""

    def __init__(self, session: RemoteSession) -> None:
        super().__init__()
        self._session = session
        self._token = secrets.token_hex(8)

    async def _call(self, operation: str, files: Sequence[File] = (), **arguments: Any) -> Any:
        """Run an operation of `remote/variables`."""
        try:
            return await self._session.call("variables", files, operation=operation, **arguments)
        except RemoteCallFailed as error:
            if error.code == MISSING:
                raise _MissingThere(printable(error.text)) from error
            raise error_from(error, VariableError) from error

    async def _discard(self, part: str = "") -> None:
        """Remove what is left in the session, if that can be done in bounded time."""
        await self._session.try_call(
            "variables",
            CLEAN_UP_LIMIT,
            operation="discard",
            token=self._token,
            part=part,
            origin=self._session.origin,
        )


class Push(_Moving):
    """Variables on their way into the session.

    Args:
        session: where they go.
        names: checked.
        namespace: where they are.
    """

    def __init__(
        self, session: RemoteSession, names: Sequence[str], namespace: Mapping[str, Any]
    ) -> None:
        super().__init__(session)
        self._names = names
        self._namespace = namespace
        self._variables: Mapping[str, bytes] = {}
        self._data = b""

    async def run(self) -> None:
        """See `Transfer`. The variables are set together, once all of them are there."""
        try:
            await self._run(arrow=True)
        except _MissingThere as error:
            if error.package != ARROW:
                raise
            self.done = 0
            self._token = secrets.token_hex(8)
            await self._run(arrow=False)

    async def _run(self, *, arrow: bool) -> None:
        self._variables = await asyncio.to_thread(
            encode_variables, self._names, self._namespace, arrow=arrow
        )
        self._data = b"".join(self._variables.values())
        self.total = len(self._data)
        session_id = self._session.id
        limit = self._session.transfer_size
        part = ""
        try:
            for number, start in enumerate(range(0, self.total, limit)):
                part = f"{PART}{self._token}-{number}"
                await self._send(part, self._data[start : start + limit])
                session_id = self._session.id
            self.sizes = {name: len(data) for name, data in self._variables.items()}
        finally:
            is_there = session_id is not None and self._session.id == session_id
            if self.done < self.total and is_there:  # a new session would cost
                await self._discard(part)

    async def _send(self, part: str, data: bytes) -> None:
        is_last = self.done + len(data) == self.total
        sizes = [[name, len(variable)] for name, variable in self._variables.items()]
        await self._call(
            "receive",
            [File(part, base64.b64encode(data).decode(), "base64")],
            token=self._token,
            part=part,
            sha256=hashlib.sha256(data).hexdigest(),
            variables=sizes if is_last else None,
            origin=self._session.origin,
        )
        self.done += len(data)


class Pull(_Moving):
    """Variables on their way from the session.

    Args:
        session: where they are.
        names: checked.
        namespace: where they go, together, once all of them are here.
    """

    def __init__(
        self, session: RemoteSession, names: Sequence[str], namespace: dict[str, Any]
    ) -> None:
        super().__init__(session)
        self._names = names
        self._limit = session.transfer_size
        self._namespace = namespace

    async def run(self) -> None:
        """See `Transfer`."""
        session_id = self._session.id
        answer = await self._call(
            "send",
            token=self._token,
            names=self._names,
            limit=self._limit,
            arrow=_has_arrow(),
        )
        sizes, piece = self._read_sizes(answer)
        self.total = sum(sizes)
        data = bytearray()
        try:
            self._take(data, piece)
            while self.done < self.total:
                length = min(self._limit, self.total - self.done)
                self._take(
                    data,
                    await self._call("read", token=self._token, offset=self.done, length=length),
                )
        finally:
            if self.total > self._limit and self._session.id == session_id:
                await self._discard()
        self._namespace.update(await asyncio.to_thread(self._read, bytes(data), sizes))
        self.sizes = dict(zip(self._names, sizes, strict=True))

    def _read_sizes(self, answer: Any) -> tuple[list[int], Any]:
        sizes = answer.get("sizes") if isinstance(answer, dict) else None
        if not isinstance(sizes, list) or len(sizes) != len(self._names):
            raise unexpected_answer()
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            raise unexpected_answer()
        return sizes, answer.get("piece")

    def _take(self, data: bytearray, piece: Any) -> None:
        """Add a piece, if it has the length that was asked for and is what was sent."""
        try:
            text, digest = piece
            arrived = base64.b64decode(text, validate=True)
        except (TypeError, ValueError) as error:
            raise unexpected_answer() from error
        if len(arrived) != min(self._limit, self.total - self.done):
            raise unexpected_answer()
        if hashlib.sha256(arrived).hexdigest() != digest:
            raise TransferFailed("A part did not arrive as it was sent.")
        data += arrived
        self.done += len(arrived)

    def _read(self, data: bytes, sizes: Sequence[int]) -> dict[str, Any]:
        values, start = {}, 0
        for name, size in zip(self._names, sizes, strict=True):
            try:
                values[name] = decode(data[start : start + size])
            except Failure as failure:
                if failure.code == MISSING:
                    raise _missing_here(str(failure)) from failure
                raise InvalidAnswer(f"{name}: {printable(str(failure))}") from failure
            start += size
        return values


def _has_arrow() -> bool:
    """Whether there is PyArrow here. To import it takes longer than most variables."""
    try:
        return find_spec(ARROW) is not None
    except ValueError:  # somebody has barred it
        return False


def _missing_here(package: str) -> VariableError:
    return VariableError(
        f"This takes the package {package}, which the kernel's own environment lacks.",
        advice=f"Install it there: {install_command('--upgrade', package)}",
    )
