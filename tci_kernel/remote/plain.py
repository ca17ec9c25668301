"""Writes tables of pandas down without PyArrow, and reads them again: each column as an array.

It travels to the session as text before that of `tables`, which turns to it where PyArrow is
missing at one end, and may meet any pandas from 1.3 on. It knows the usual kinds of columns alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol

    class Writer(Protocol):
        """What of the writer of values is used here."""

        def tree(self, value: Any) -> Any:
            """What stands for a value in JSON."""

    class Reader(Protocol):
        """What of the reader of values is used here."""

        def value(self, tree: Any) -> Any:
            """The value that a part of the JSON stands for."""


# Values that differ and have the same hash; of other data than this very few have.
COLLISIONS = 100

# Begins the names of time zones that are paths of files.
ZONE_FILES = "dateutil/"


# -- writing ---------------------------------------------------------------------------------


def table_tree(writer: Writer, table: Any, pandas: Any) -> list[Any]:
    """A table: its columns' names, its index, its columns.

    Raises:
        Exception: of any kind, where something can't be kept so.
    """
    columns = [table.iloc[:, number] for number in range(table.shape[1])]
    return [
        index_tree(writer, table.columns, pandas),
        index_tree(writer, table.index, pandas),
        [column_tree(writer, column, pandas) for column in columns],
    ]


def index_tree(writer: Writer, index: Any, pandas: Any) -> list[Any]:
    """An index: its kind, its names, and what its kind takes."""
    names = writer.tree(list(index.names))
    if isinstance(index, pandas.MultiIndex):
        levels = [column_tree(writer, level, pandas) for level in index.levels]
        return ["levels", names, levels, [writer.tree(list(map(int, c))) for c in index.codes]]
    if isinstance(index, pandas.RangeIndex):
        return ["range", names, [index.start, index.stop, index.step]]
    return ["values", names, column_tree(writer, index, pandas)]


def column_tree(writer: Writer, column: Any, pandas: Any) -> list[Any]:
    """The values of a column or an index: their kind, and what that takes."""
    dtype, array = column.dtype, column.array
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = column_tree(writer, dtype.categories, pandas)
        return ["category", writer.tree(array.codes), categories, bool(dtype.ordered)]
    if isinstance(dtype, pandas.DatetimeTZDtype):
        moments = pandas.DatetimeIndex(array).tz_convert("UTC").tz_localize(None)
        return ["zoned", writer.tree(moments.to_numpy()), str(dtype.tz)]
    if isinstance(dtype, pandas.StringDtype):
        texts = [text if isinstance(text, str) else None for text in array]
        usual = pandas.api.types.pandas_dtype(dtype.name).storage
        storage = "" if dtype.storage == usual else dtype.storage
        return ["text", [dtype.name, storage], writer.tree(texts)]
    if hasattr(dtype, "numpy_dtype") and hasattr(pandas.arrays, masked(dtype.kind)):
        zero = dtype.numpy_dtype.type(0)
        data = array.to_numpy(dtype=dtype.numpy_dtype, na_value=zero)
        return ["masked", writer.tree(data), writer.tree(array.isna())]
    if dtype.kind == "O":
        return ["objects", writer.tree(list(array))]
    return ["array", writer.tree(array.to_numpy())]


def masked(kind: str) -> str:
    """The class of pandas that holds values of a kind of NumPy's, some of which are missing."""
    kinds = {"b": "BooleanArray", "i": "IntegerArray", "u": "IntegerArray", "f": "FloatingArray"}
    return kinds.get(kind, "")


# -- reading ---------------------------------------------------------------------------------


def table_of(reader: Reader, tree: list[Any], pandas: Any) -> Any:
    """The table that `table_tree` has written down."""
    columns, index, arrays = tree
    rows = index_of(reader, index, pandas)
    values = {}
    for number, array in enumerate(arrays):
        column = column_of(reader, array, pandas)
        values[number] = pandas.Series(column, index=rows, dtype=type_of(column))
    table = pandas.DataFrame(values, index=rows)
    table.columns = index_of(reader, columns, pandas)
    return table


def index_of(reader: Reader, tree: list[Any], pandas: Any) -> Any:
    """The index that `index_tree` has written down."""
    kind, names, content = tree[0], reader.value(tree[1]), tree[2]
    if kind == "levels":
        arrays = [column_of(reader, level, pandas) for level in content]
        levels = [pandas.Index(array, dtype=type_of(array)) for array in arrays]
        codes = [reader.value(numbers) for numbers in tree[3]]
        return pandas.MultiIndex(levels=levels, codes=codes, names=names)
    (name,) = names
    if kind == "range":
        start, stop, step = content
        return pandas.RangeIndex(int(start), int(stop), int(step), name=name)
    values = column_of(reader, content, pandas)
    return pandas.Index(values, dtype=type_of(values), name=name)


def type_of(array: Any) -> Any:
    """The type to ask for where pandas might guess one from Python's objects; else None.

    Older ones refuse to be asked for times in other units than ns, and convert them.
    """
    is_plain = array.dtype.kind == "O" and hasattr(array.dtype, "numpy_dtype")
    return "object" if is_plain else None


def column_of(reader: Reader, tree: list[Any], pandas: Any) -> Any:
    """The array that `column_tree` has written down."""
    kind, values = tree[0], reader.value(tree[-1] if tree[0] in ("objects", "text") else tree[1])
    if kind == "category":
        array = column_of(reader, tree[2], pandas)
        categories = pandas.Index(array, dtype=type_of(array))
        dtype = pandas.CategoricalDtype(categories, ordered=bool(tree[3]))
        return pandas.Categorical.from_codes(values, dtype=dtype)
    if kind == "zoned":
        if str(tree[2]).startswith(ZONE_FILES):
            raise ValueError("a time zone is named by a file")
        return pandas.DatetimeIndex(values).tz_localize("UTC").tz_convert(str(tree[2])).array
    if kind == "masked":
        return getattr(pandas.arrays, masked(values.dtype.kind))(values, reader.value(tree[2]))
    if kind == "text":
        name, storage = tree[1]
        return text_of(values, name, storage, pandas)
    if kind == "objects":
        return objects_of(values, pandas)
    return values


def text_of(values: list[Any], name: str, storage: str, pandas: Any) -> Any:
    """A column of text; where pandas has no type of the name, of Python's objects."""
    dtype = pandas.api.types.pandas_dtype("str" if name == "str" else "string")
    if dtype.kind == "U":
        return objects_of(values, pandas)
    if storage == "python":
        missing = {"na_value": float("nan")} if name == "str" else {}
        dtype = pandas.StringDtype("python", **missing)
    return pandas.array(values, dtype=dtype)


def objects_of(values: list[Any], pandas: Any) -> Any:
    """A column of Python's objects."""
    check_hashes(values)
    found = pandas.Series([None] * len(values), dtype="object").to_numpy().copy()
    for number, value in enumerate(values):
        found[number] = value
    return pandas.Series(found, dtype="object").array


def check_hashes(values: list[Any]) -> None:
    """Check that not so many have the same hash that to hold them as keys takes for ever."""
    alike: dict[int, list[Any]] = {}
    for value in values:
        if isinstance(value, (int, float, complex, str, bytes, tuple)) and value == value:  # noqa: PLR0124 - NaN is not
            group = alike.setdefault(hash(value), [])
            if value not in group:
                group.append(value)
            if len(group) > COLLISIONS:
                raise ValueError("more than %d values have the same hash" % COLLISIONS)
