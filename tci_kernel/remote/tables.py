"""Writes arrays and tables down as bytes, and reads them again: NumPy, pandas and Polars.

It travels to the session as text, before that of `values`, which builds on it. A package is
imported only when a value takes it.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from typing import Protocol

    class Writer(Protocol):
        """What of the writer of values is used here."""

        def blob(self, data: bytes) -> int:
            """The number of a new blob."""

        arrow: bool

        def tree(self, value: Any) -> Any:
            """What stands for a value in JSON."""

        def inner(self, place: str, name: Any, value: Any) -> Any:
            """What stands for a value inside another."""

        def reader(self) -> Reader:
            """Reads what has been written."""

        def drop(self, count: int) -> None:
            """Forget all blobs but the first."""

    class Reader(Protocol):
        """What of the reader of values is used here."""

        blobs: list[bytes]

        def value(self, tree: Any) -> Any:
            """The value that a part of the JSON stands for."""


# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.failure import MISSING, Failure
    from tci_kernel.remote.plain import table_of, table_tree

# Integers beyond this are not exact everywhere.
EXACT = 2**53

# Characters of a value that is named in a message.
GLIMPSE = 40

MOVABLE = (
    "What can be moved: str, bytes, int, float, complex, bool, None; lists, tuples, dicts, sets "
    "and frozensets of them; NumPy arrays; tables and series of pandas and Polars."
)


class Unmovable(Exception):
    """A value inside a variable can't be moved.

    Args:
        reason: says why, with the value as its subject.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = ""


# -- writing ---------------------------------------------------------------------------------


def numpy_tree(writer: Writer, value: Any) -> Any:
    """An array or a scalar of NumPy, as a `.npy` file."""
    numpy = package("numpy")
    is_scalar = isinstance(value, numpy.generic)
    if not is_scalar and type(value) not in (numpy.ndarray, numpy.memmap):
        raise Unmovable("is of type %s; move it as a plain array." % named(type(value)))
    if value.dtype.hasobject:
        raise Unmovable("holds Python objects (dtype %s), not numbers or text." % value.dtype)
    layout = numpy.lib.format
    if layout.descr_to_dtype(layout.dtype_to_descr(value.dtype)) != value.dtype:
        raise Unmovable("has a dtype that a .npy file does not keep: %s." % value.dtype)
    file = io.BytesIO()
    numpy.save(file, numpy.asarray(value), allow_pickle=False)
    return {"scalar" if is_scalar else "array": writer.blob(file.getvalue())}


def pandas_tree(writer: Writer, value: Any) -> Any:
    """A table or a series of pandas, index and all: as Arrow, or plainly where that is missing."""
    pandas = package("pandas")
    if type(value) not in (pandas.DataFrame, pandas.Series):
        raise Unmovable("is of type %s. %s" % (named(type(value)), MOVABLE))
    is_series = type(value) is pandas.Series
    table = value.rename("value").to_frame() if is_series else value
    tree = None if has_arrow() and writer.arrow else plain_tree(writer, table, pandas)
    if tree is None:
        tree = arrow_tree(writer, table, pandas)
    if is_series:
        return {"pandas.Series": [tree, writer.inner("'s name, %s,", value.name, value.name)]}
    return {"pandas.DataFrame": tree}


def plain_tree(writer: Writer, table: Any, pandas: Any) -> Any:
    """A table without Arrow; None of one that would not come back as it is."""
    known = len(writer.reader().blobs)
    try:
        tree = table_tree(writer, table, pandas)
        check_same(table_of(writer.reader(), tree, pandas), table, pandas)
    except Exception:  # noqa: BLE001 - Arrow can do more, or says why not
        writer.drop(known)
        return None
    return tree


def arrow_tree(writer: Writer, table: Any, pandas: Any) -> Any:
    """A table as Arrow."""
    arrow = package("pyarrow")
    sink = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they are about shows below
            content = arrow.Table.from_pandas(table)
        with arrow.ipc.new_file(sink, content.schema) as file:
            file.write_table(content)
        check_same(read_pandas(sink.getvalue()), table, pandas)
    except (arrow.ArrowException, ValueError, TypeError, AssertionError) as error:
        said = " ".join(str(error).split())
        raise Unmovable(
            "can't be kept as an Arrow table: %s\nGive each column values of one type." % said
        ) from None
    return writer.blob(sink.getvalue())


def check_same(back: Any, table: Any, pandas: Any) -> None:
    """Check that a table has come back as it was."""
    check_objects(back, table)
    pandas.testing.assert_frame_equal(back, table, check_exact=True, check_freq=False)


def check_objects(back: Any, table: Any) -> None:
    """Check that columns of Python objects come back with the types that went in."""
    for number, dtype in enumerate(table.dtypes):
        if dtype.name == "object":
            before, after = ({type(x) for x in t.iloc[:, number]} for t in (table, back))
            if before != after:
                kinds = ", ".join(sorted(map(named, before)))
                raise TypeError("Column %s holds %s." % (short(table.columns[number]), kinds))


def polars_tree(writer: Writer, value: Any) -> Any:
    """A table or a series of Polars, as Arrow."""
    polars = package("polars")
    if type(value) not in (polars.DataFrame, polars.Series):
        raise Unmovable("is of type %s; collect it, or %s" % (named(type(value)), MOVABLE))
    is_series = type(value) is polars.Series
    table = value.to_frame() if is_series else value
    for column, dtype in table.schema.items():
        if dtype == polars.Object:
            raise Unmovable("has a column of Python objects: %s." % short(column))
    sink = io.BytesIO()
    table.write_ipc(sink)
    return {"polars.Series" if is_series else "polars.DataFrame": writer.blob(sink.getvalue())}


LIBRARIES: dict[str, Callable[[Writer, Any], Any]] = {
    "numpy": numpy_tree,
    "pandas": pandas_tree,
    "polars": polars_tree,
}


# -- reading ---------------------------------------------------------------------------------


def read_npy(data: bytes) -> Any:
    """The array in a `.npy` file."""
    return package("numpy").load(io.BytesIO(data), allow_pickle=False)


def pandas_table(reader: Reader, tree: Any) -> Any:
    """A table of pandas, by the number of its Arrow file or in its plain form."""
    pandas = package("pandas")
    return table_of(reader, tree, pandas) if type(tree) is list else read_pandas(reader.blobs[tree])


def read_pandas(data: bytes) -> Any:
    """The table of pandas in an Arrow file."""
    content = package("pyarrow").ipc.open_file(io.BytesIO(data)).read_all()
    content.validate(full=True)
    return content.to_pandas()


def read_polars(data: bytes) -> Any:
    """The table of Polars in an Arrow file."""
    return package("polars").read_ipc(io.BytesIO(data))


def pandas_series(reader: Reader, parts: Any) -> Any:
    """A series of pandas: the one column of a table, and its name."""
    tree, name = parts
    return pandas_table(reader, tree).iloc[:, 0].rename(reader.value(name))


TABLE_READERS: dict[str, Callable[[Reader, Any], Any]] = {
    "array": lambda reader, number: read_npy(reader.blobs[number]),
    "scalar": lambda reader, number: read_npy(reader.blobs[number])[()],
    "pandas.DataFrame": pandas_table,
    "pandas.Series": pandas_series,
    "polars.DataFrame": lambda reader, number: read_polars(reader.blobs[number]),
    "polars.Series": lambda reader, number: read_polars(reader.blobs[number]).to_series(),
}


def package(name: str) -> Any:
    """A package, imported."""
    try:
        return __import__(name, fromlist=["*"]) if name != "pyarrow" else safe_arrow()
    except ImportError:
        raise Failure(MISSING, name) from None


def has_arrow() -> bool:
    """Whether PyArrow can be used here."""
    try:
        safe_arrow()
    except ImportError:
        return False
    return True


def safe_arrow() -> Any:
    """PyArrow, of a version that unpickles nothing of what it reads (CVE-2023-47248)."""
    import pyarrow

    if tuple(int(part) for part in pyarrow.__version__.split(".")[:2]) < (14, 0):
        raise ImportError("too old")
    return pyarrow


# -- the words for it ------------------------------------------------------------------------


def named(kind: type) -> str:
    """A type as people write it."""
    module = "" if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "."
    return module + kind.__qualname__


def short(value: Any) -> str:
    """A plain value in a few characters; of any other its type, whose text might be anything."""
    if type(value) not in (str, int, float, bool, type(None), bytes):
        return "a " + named(type(value))
    if type(value) is int and abs(value) >= EXACT:
        return "a large int"
    return repr(value[:GLIMPSE] if isinstance(value, (str, bytes)) else value)
