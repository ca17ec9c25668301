"""The cells that a user has run, for a client's arrow keys and searches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import traitlets
from IPython.core.history import HistoryManager
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_core.paths import jupyter_data_dir
from traitlets.log import get_logger

# Seconds to wait while another kernel writes, which takes it milliseconds. Whoever holds the file
# for longer costs this kernel so much once.
_PATIENCE = 3.0

# Characters of a result that are kept: history is for reading, not for storing data.
_OUTPUT_LIMIT = 100_000

# Numbers beyond this are no numbers of cells, and too large for SQLite.
_NUMBER_LIMIT = 2**31

_IN_MEMORY = ":memory:"


class CellHistory:
    """The cells that a user has run, kept over restarts in a database of the kernel's own.

    Whatever happens to the database, no cell and no reply fails for it: the history then goes on
    in memory, and a log entry says so. To be used from one thread.

    Args:
        path: the database, made on first use. The default is in Jupyter's data directory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._manager: _Manager | None = None
        self._closed = False
        self._new: list[tuple[int, str, str | None]] = []

    def store(self, number: int, code: str, result: str | None = None) -> None:
        """Keep a cell. It is written with the next `save`, `request` or `close`.

        Args:
            number: the number that the cell ran under, higher than any before it.
            code: the cell as the user wrote it. An empty one is not kept, as in IPython.
            result: the cell's result as `text/plain`, if it has one.
        """
        if not self._closed and code.strip():
            self._new.append((number, code, result))

    def save(self) -> None:
        """Write what is new."""
        manager = self._open()
        for number, code, result in self._new:
            _note(manager, number, code, result)
        self._new.clear()
        try:
            manager.writeout_cache()
        except _database_errors() as error:
            self._fall_back(error)

    def request(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a `history_request`.

        Args:
            content: the request's content. What is missing or makes no sense has the protocol's
                default, since a request without a reply would leave a client waiting.

        Returns:
            The content of the reply.
        """
        if self._closed:
            return {"status": "ok", "history": []}
        self.save()
        try:
            entries = _ask(self._open(), content)
        except _database_errors() as error:
            self._fall_back(error)
            entries = _ask(self._open(), content)
        return {"status": "ok", "history": entries}

    def close(self) -> None:
        """Save, and let go of the database. Harmless when repeated."""
        if self._new:
            self.save()
        self._closed = True
        manager, self._manager = self._manager, None
        if manager is None:
            return
        try:
            manager.end_session()
        except _database_errors() as error:
            get_logger().warning("The history's session was left open: %s", error)
        finally:
            manager.db.close()

    def _open(self) -> _Manager:
        if self._manager is None:
            self._manager = _open_database(self._path or _default_path()) or _Manager(_IN_MEMORY)
        return self._manager

    def _fall_back(self, error: Exception) -> None:
        """Go on in memory, with what this session knows."""
        get_logger().warning("The history can't be saved and is kept in memory: %s", error)
        old, new = self._open(), _Manager(_IN_MEMORY)
        old.db.close()
        # The session keeps its number: clients hold entries that bear it.
        new.session_number = old.session_number
        new.input_hist_parsed, new.input_hist_raw = old.input_hist_parsed, old.input_hist_raw
        new.output_hist_reprs = old.output_hist_reprs
        cells = enumerate(zip(old.input_hist_parsed, old.input_hist_raw, strict=True))
        new.db_input_cache = [(number, parsed, raw) for number, (parsed, raw) in cells if raw]
        new.db_output_cache = list(old.output_hist_reprs.items())
        self._manager = new


class _Manager(HistoryManager):
    """IPython's history, without a shell, without a thread, and without repairs of its own."""

    # IPython would put `_i`, `_ii` and so on into the namespace of a shell. There is none.
    shell = traitlets.Any(None)

    # IPython takes any error for a corrupt database, also one that is only locked, and moves the
    # file away under the kernels that use it. At 0 it leaves the file alone.
    _corrupt_db_limit = 0

    def __init__(self, database: Path | str) -> None:
        self._connected = False
        super().__init__(
            # None, as above; IPython's annotation knows only shells.
            shell=None,  # type: ignore[arg-type]
            hist_file=database,
            db_log_output=True,
            connection_options={"check_same_thread": False, "timeout": _PATIENCE},
        )
        # The thread writes a cell a little later, and prints what goes wrong.
        if self.save_thread is not None:
            self.save_thread.stop()
            self.save_thread = None
        self.using_thread = False

    def init_db(self) -> None:
        """Connect, once: IPython calls it again after an error, which is ours to handle."""
        if self._connected:
            from sqlite3 import OperationalError  # noqa: PLC0415

            self.db.close()
            raise OperationalError("the database failed")
        self._connected = True
        super().init_db()


@cache
def _database_errors() -> tuple[type[Exception], ...]:
    """SQLite's errors. A Python built without it has none, and IPython then saves nothing."""
    try:
        from sqlite3 import Error  # noqa: PLC0415
    except ImportError:
        return ()
    return (Error,)


def _default_path() -> Path:
    return Path(jupyter_data_dir(), "tci_kernel", "history.sqlite")


def _open_database(path: Path) -> _Manager | None:
    """Open a database, a new one in place of a corrupt one; None if that can't be done."""
    failures: tuple[type[Exception], ...] = (ImportError, OSError, *_database_errors())
    try:
        # Code may hold secrets: no other user gets in.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_corrupt(path):
            aside = path.with_stem(f"{path.stem}-corrupt")
            path.replace(aside)
            get_logger().warning(
                "The history was unreadable; it is now %s, and a new one begins.", aside
            )
        return _Manager(path)
    except failures as error:
        get_logger().warning("The history can't be opened and is kept in memory: %s", error)
        return None


def _is_corrupt(path: Path) -> bool:
    """Whether a file is no database.

    Raises:
        sqlite3.OperationalError: it can't be told, or not be written to.
    """
    import sqlite3  # noqa: PLC0415

    with closing(sqlite3.connect(path, timeout=_PATIENCE)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")  # what writing a cell begins with
            database.rollback()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return True
    return False


def _note(manager: _Manager, number: int, code: str, result: str | None) -> None:
    """Put a cell into what the manager writes next."""
    if number < len(manager.input_hist_raw):
        return  # IPython would print an error, right into the user's outputs
    # IPython takes a cell's place in these lists for its number.
    for cells in (manager.input_hist_parsed, manager.input_hist_raw):
        cells.extend([""] * (number - len(cells)))
    raw = _storable(code)
    manager.store_inputs(number, _without_magics(raw), raw)
    if result is not None:
        manager.output_hist_reprs[number] = _storable(result[:_OUTPUT_LIMIT])
        manager.store_output(number)


def _ask(manager: _Manager, content: Mapping[str, Any]) -> list[Any]:
    """What IPython's history has for a request, in the order and form of ipykernel."""
    raw, output = bool(content.get("raw", True)), bool(content.get("output", False))
    number = _number(content.get("n"))
    entries: Iterable[Any] = []
    match content.get("hist_access_type"):
        case "tail":
            number = 10 if number is None else number
            entries = manager.get_tail(number, raw=raw, output=output, include_latest=True)
        case "range":
            session = _number(content.get("session")) or 0
            start, stop = _number(content.get("start")) or 0, _number(content.get("stop"))
            if start < -len(manager.input_hist_raw):
                start = 0  # before the first cell; IPython would raise
            entries = [
                # IPython calls the session that is running 0, whatever it was asked for.
                (asked or session, *rest)
                for asked, *rest in manager.get_range(session, start, stop, raw=raw, output=output)
            ]
        case "search":
            pattern, unique = content.get("pattern"), bool(content.get("unique", False))
            if isinstance(pattern, str):
                entries = manager.search(
                    _storable(pattern), raw=raw, output=output, n=number, unique=unique
                )
    return list(entries)


def _number(value: object) -> int | None:
    """A number of a request, within what SQLite can take, or None."""
    if not isinstance(value, int):
        return None
    return max(-_NUMBER_LIMIT, min(value, _NUMBER_LIMIT))


def _storable(text: str) -> str:
    """A text without lone surrogates, which SQLite refuses."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _without_magics(code: str) -> str:
    """A cell as Python, which clients get that don't ask for the raw one."""
    try:
        # IPython does not annotate its constructor.
        parsed: str = TransformerManager().transform_cell(code)  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 -- whatever the tokenizer makes of it, the cell is kept
        return code
    return parsed
