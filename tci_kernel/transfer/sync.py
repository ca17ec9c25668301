"""Finds the files that code names and its session lacks, or has in an older state.

Code names a file by its relative path, as a whole text in quotes, and a module that lies beside the
notebook by its import. What leads out of the notebook's directory takes no part, nor does anything
hidden, such as `.env`.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tci_kernel.core.text import printable, size
from tci_kernel.remote.standing import stamp
from tci_kernel.remote.survey import Found
from tci_kernel.session.session import RemoteSession
from tci_kernel.transfer.sources import Sources
from tci_kernel.transfer.transfer import call, unexpected_answer

# Files that one cell may have sent, and bytes of one of them. Larger ones are named to the user.
MOST_FILES = 100
MOST_BYTES = 100_000_000

# Characters of a path; longer texts are none.
LONGEST = 1_000

Stamp = Sequence[int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done before code runs.

    Attributes:
        files: those to send, each to the same path there.
        remarks: what is not sent, and why, a line each.
    """

    files: list[Found] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def sources(self) -> Sources:
        """The files, as an upload takes them."""
        return Sources(self.files, [], [])


class Sync:
    """What is known of the files that code names: by the session and their path."""

    def __init__(self) -> None:
        self._same: dict[tuple[str | None, str], tuple[Stamp, Stamp]] = {}  # here and there
        self._told: dict[tuple[str | None, str], Stamp] = {}

    async def plan(self, tree: ast.Module, session: RemoteSession) -> Plan:
        """What is to be done before code runs.

        Args:
            tree: the code, which is about to run.
            session: where; it begins if files are named.

        Raises:
            TCIError: the session can't be asked.
        """
        plan = Plan()
        named = list(files_named(tree))
        stamps = await _stamps([_name(found) for found in named], session)
        for found, there in zip(named, stamps, strict=True):
            await self._decide(found, there, session, plan)
        return plan

    async def note_sent(self, plan: Plan, session: RemoteSession) -> None:
        """Note that the files of a plan have just been sent."""
        stamps = await _stamps([_name(found) for found in plan.files], session)
        for found, there in zip(plan.files, stamps, strict=True):
            if there is not None:
                self._same[session.id, _name(found)] = (found.stamp, there)

    async def _decide(
        self, found: Found, there: Stamp | None, session: RemoteSession, plan: Plan
    ) -> None:
        """Decide what becomes of a file. What the session's own code has changed is left alone."""
        key = (session.id, _name(found))
        here, last = found.stamp, self._same.get(key)
        if there is not None and (there == here or (last is not None and last[0] == here)):
            return  # one and the same file; or one that is as it was sent
        if there is not None and (last is None or last[1] != there):
            if await _is_same(found, there, session):
                self._same[key] = (here, there)
            else:
                self._tell(key, here, "is another file in the session, and was not sent", plan)
        elif here[0] > MOST_BYTES or len(plan.files) == MOST_FILES:
            self._tell(key, here, f"({size(here[0])}) was not sent by itself", plan)
        else:
            plan.files.append(found)

    def _tell(self, key: tuple[str | None, str], here: Stamp, what: str, plan: Plan) -> None:
        """Say why a file is not sent, once until it changes."""
        if self._told.get(key) != here:
            self._told[key] = here
            plan.remarks.append(f"{printable(key[1])} {what}: %tci upload does that.")


async def _stamps(names: Sequence[str], session: RemoteSession) -> list[Stamp | None]:
    """The stamps of files in the session; None of those that it lacks."""
    if not names:
        return []
    found = await call(session, "files", "stamps", paths=names)
    if not isinstance(found, list) or len(found) != len(names):
        raise unexpected_answer()
    return found


async def _is_same(found: Found, there: Stamp, session: RemoteSession) -> bool:
    """Whether a file in the session has the bytes of one here."""
    if there[0] != found.stamp[0] or there[0] > MOST_BYTES:
        return False
    digest = await call(session, "files", "digest", path=_name(found), known=there)
    return bool(digest == await asyncio.to_thread(_digest, found.path))


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _name(found: Found) -> str:
    return "/".join(found.parts)


# -- what code names -------------------------------------------------------------------------


def files_named(tree: ast.Module) -> Iterator[Found]:
    """The files below the working directory that code names, each once."""
    seen: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        module = pending.pop()
        for path, is_module in _paths(module, is_cell=module is tree):
            found = None if path in seen else _found(path)
            seen.add(path)
            if found is not None:
                yield found
                if is_module:
                    pending.append(_read(found.path))


def _paths(tree: ast.AST, *, is_cell: bool) -> Iterator[tuple[str, bool]]:
    """Paths that may be files, and whether each is a module's. Of modules, the imports alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if is_cell and 0 < len(node.value) <= LONGEST:
                yield os.path.normpath(node.value), False
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from _module(node.module)


def _module(name: str) -> Iterator[tuple[str, bool]]:
    """The files of a module or a package beside the notebook."""
    top = name.partition(".")[0]
    yield f"{top}.py", True
    if Path(top, "__init__.py").is_file():
        yield from ((str(path), True) for path in sorted(Path(top).rglob("*.py")))


def _found(path: str) -> Found | None:
    """A file that may be sent, if it is one: within the directory, and not hidden."""
    with suppress(OSError, ValueError):  # what is no path
        base = Path.cwd().resolve()
        real = Path(path).resolve()
        parts = Path(path).parts
        if Path(path).is_absolute() or not real.is_relative_to(base):
            return None
        if any(part.startswith(".") for part in (*parts, *real.relative_to(base).parts)):
            return None
        if real.is_file() and os.access(real, os.R_OK):
            status = real.stat()
            return Found(list(parts), str(real), stamp(status), os.access(real, os.X_OK))
    return None


def _read(path: str) -> ast.AST:
    """A module's code; nothing of one that is none."""
    try:
        return ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])
