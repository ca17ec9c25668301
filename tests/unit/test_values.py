"""Variables written down and read again: what survives, and what is refused."""

from __future__ import annotations

import datetime
import json
import math
import sys
import types
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.remote.failure import BROKEN, REFUSED, Failure
from tci_kernel.remote.values import decode, encode, look_up

plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**50, max_value=2**200).flatmap(lambda n: st.sampled_from([n, -n]))
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
)
hashable = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(hashable, inner, max_size=5)
        | st.sets(hashable, max_size=5)
    ),
    max_leaves=25,
)


@contextmanager
def failing(code: str, reason: str) -> Iterator[None]:
    """Expect a failure with this code, and a text that says so."""
    with pytest.raises(Failure, match=reason) as caught:
        yield
    assert caught.value.code == code


def form(value: Any) -> Any:
    """A value in a form that is equal only for the same type, sign and order, NaN included."""
    kind = type(value).__name__
    if isinstance(value, float):
        return kind, "nan" if math.isnan(value) else value.hex()
    if isinstance(value, complex):
        return kind, form(value.real), form(value.imag)
    if isinstance(value, (set, frozenset)):
        return kind, sorted(repr(form(item)) for item in value)
    if isinstance(value, dict):
        return kind, [form(pair) for pair in value.items()]
    if isinstance(value, (list, tuple)):
        return kind, [form(item) for item in value]
    return kind, value


@given(values)
def test_values_come_back_in_type_and_in_every_bit(value: Any) -> None:
    assert form(decode(encode("x", value))) == form(value)


def test_large_and_odd_values_come_back() -> None:
    values: tuple[Any, ...] = (
        "\ud83d\ude00" + "é" * 5_000,
        "\ud83d",
        b"\x00" * 1_000_000,
        -(7**20_000),
        {1: "a", "1": "b", (1, 2): {frozenset(): None}},
        [True, 1, 1.0, -0.0],
        [[[]]],
    )
    for value in values:
        assert form(decode(encode("x", value))) == form(value)


ARRAYS = [
    np.arange(12.0).reshape(3, 4),
    np.arange(12).reshape(3, 4)[:, ::2],
    np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    np.array(7.5),
    np.array([], dtype="c8"),
    np.array(["a", "ßc"]),
    np.array([b"x"]),
    np.array(["2020-01-01", "NaT"], dtype="datetime64[ns]"),
    np.array([3], dtype="timedelta64[D]"),
    np.array([(1, 2.5, "z")], dtype=[("a", "i4"), ("b", "f8"), ("c", "U3")]),
    np.array([True, False]),
    np.array([np.nan, np.inf], dtype="f2"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_come_back(array: Any) -> None:
    back = decode(encode("x", array))
    assert type(back) is np.ndarray
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    back.flags.writeable = True


def test_scalars_and_arrays_in_containers_come_back() -> None:
    for scalar in (np.float64(1.5), np.int8(-3), np.bool_(True), np.datetime64("2020-01-01", "s")):
        back = decode(encode("x", scalar))
        assert type(back) is type(scalar)
        assert back == scalar
    back = decode(encode("x", {"a": [np.arange(3)], np.int64(2): (np.float32(0.5),)}))
    np.testing.assert_array_equal(back["a"][0], np.arange(3))
    assert back[2] == (np.float32(0.5),)


FRAMES = [
    pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, math.nan]}),
    pd.DataFrame({"a": [1, 2]}, index=pd.Index(["r", "s"], name="key")),
    pd.DataFrame({0: [1], 1: [2]}),
    pd.DataFrame(
        {"v": range(4)}, index=pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["n", None])
    ),
    pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("b", "y")])),
    pd.DataFrame(
        {
            "when": pd.date_range("2020", periods=2, tz="Europe/Berlin"),
            "for": pd.to_timedelta([1, None], unit="s"),
            "kind": pd.Categorical(["b", "a"], categories=["b", "a"], ordered=True),
            "whole": pd.array([1, None], dtype="Int64"),
            "yes": pd.array([True, None], dtype="boolean"),
            "text": pd.array(["x", None], dtype="string"),
            "month": pd.period_range("2020-01", periods=2, freq="M"),
            "range": pd.interval_range(0, 2),
        }
    ),
    pd.DataFrame(),
    pd.DataFrame({"a": []}, index=pd.RangeIndex(0, 0, 2)),
]


@pytest.mark.parametrize("arrow", [True, False])
@pytest.mark.parametrize("number", range(len(FRAMES)))
def test_tables_of_pandas_come_back(number: int, arrow: bool) -> None:
    frame = FRAMES[number]
    back = decode(encode("x", frame, arrow))
    pd.testing.assert_frame_equal(back, frame, check_freq=False)


def test_series_of_pandas_come_back() -> None:
    for name in (None, "s", 3, ("a", 1)):
        series = pd.Series([1.5, 2.5], index=["p", "q"], name=name)
        back = decode(encode("x", series))
        pd.testing.assert_series_equal(back, series)
        assert type(back.name) is type(name)


def test_tables_of_polars_come_back() -> None:
    frame = pl.DataFrame(
        {
            "a": [1, None],
            "b": ["x", "y"],
            "c": [[1, 2], []],
            "d": [datetime.date(2020, 1, 1), None],
            "e": [{"p": 1}, {"p": None}],
            "f": [datetime.timedelta(1), None],
        },
        schema_overrides={"a": pl.UInt8},
    ).with_columns(
        pl.col("b").cast(pl.Categorical).alias("g"),
        pl.col("b").cast(pl.Enum(["y", "x"])).alias("h"),
        pl.lit(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)).alias("i"),
    )
    back = decode(encode("x", frame))
    assert back.schema == frame.schema
    assert back.equals(frame)
    series = pl.Series("s", [1.5, None])
    back = decode(encode("x", series))
    assert back.name == "s"
    assert back.equals(series)


Point = namedtuple("Point", "x y")


class Level(IntEnum):
    """A number with a name."""

    LOW = 1


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append({"again": value})
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100):
        value = [value]
    return value


UNMOVABLE: dict[str, tuple[Any, str]] = {
    "object": (object(), "x is of type object, which is not moved by value"),
    "function": (len, "builtin_function_or_method"),
    "module": (json, "module"),
    "iterator": (iter([1]), "list_iterator"),
    "date": ({"a": [1, (datetime.date(2020, 1, 1),)]}, r"x\['a'\]\[1\]\[0\] is of type datetime"),
    "key": ({datetime.date(2020, 1, 1): 1}, "x's key, a datetime.date, is of type"),
    "element": ({"s": {types}}, r"x\['s'\]'s element, a module,"),
    "subclass of dict": (OrderedDict(), "collections.OrderedDict"),
    "subclass of tuple": (Point(1, 2), "Point"),
    "subclass of int": ([Level.LOW], r"x\[0\] is of type .*Level"),
    "bytearray": (bytearray(b"x"), "bytearray"),
    "cycle": (cycle(), r"x\[0\]\['again'\] contains itself"),
    "depth": (deep(), "more than 100 containers"),
    "array of objects": (np.array([1, "a"], dtype=object), "holds Python objects"),
    "structure of objects": (np.array([(1,)], dtype=[("a", "O")]), "holds Python objects"),
    "masked array": (np.ma.masked_array([1], [True]), "plain array"),
    "array of records": (np.rec.array([(1,)]), "plain array"),
    "mixed column": (pd.DataFrame({"a": [1, "x"]}), "can't be kept as an Arrow table"),
    "ints and None": (pd.DataFrame({"a": [1, None]}, dtype=object), "can't be kept"),
    "column of lists": (pd.DataFrame({"a": [[1], [2]]}), "Column 'a' holds list"),
    "same names": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
    "mixed names": (pd.DataFrame([[1, 2]], columns=["a", 1]), "can't be kept"),
    "index": (pd.Index([1]), "of type pandas"),
    "timestamp": (pd.Timestamp("2020"), "Timestamp"),
    "odd name": (pd.Series([1], name=datetime.date(2020, 1, 1)), "x's name, a datetime.date, is"),
    "lazy table": (pl.LazyFrame({"a": [1]}), "collect it"),
    "column of objects": (pl.DataFrame({"a": [object()]}), "column of Python objects: 'a'"),
}


@pytest.mark.parametrize("kind", UNMOVABLE)
def test_the_rest_is_refused_with_the_reason(kind: str) -> None:
    value, reason = UNMOVABLE[kind]
    with failing(REFUSED, reason):
        encode("x", value)


def test_a_name_that_is_missing_is_said_with_one_like_it() -> None:
    with failing(REFUSED, r"no variable tabel\. Did you mean table\?"):
        look_up(["tabel"], {"table": 1, "_tabel": 2})
    with failing(REFUSED, r"no variable q\.$"):
        look_up(["q"], {"table": 1})


PICKLED = (
    b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
)

LIES = {
    "nothing": b"",
    "no JSON": b"{\n",
    "no object": b"[]\n",
    "pickle": PICKLED,
    "unknown type": b'{"value": {"eval": "1"}, "blobs": []}\n',
    "two types": b'{"value": {"int": "1", "float": "1"}, "blobs": []}\n',
    "no blob": b'{"value": {"bytes": 0}, "blobs": []}\n',
    "more than announced": b'{"value": 1, "blobs": [1]}\nab',
    "less than announced": b'{"value": 1, "blobs": [9]}\nab',
    "negative sizes": b'{"value": 1, "blobs": [-1, 3]}\nab',
    "unhashable": b'{"value": {"set": [[]]}, "blobs": []}\n',
    "deep": b'{"value": ' + b"[" * 100_000 + b', "blobs": []}\n',
    "pickled array": b'{"value": {"array": 0}, "blobs": [%d]}\n' % len(PICKLED) + PICKLED,
    "no table": b'{"value": {"pandas.DataFrame": 0}, "blobs": [2]}\nab',
    "no plain table": b'{"value": {"pandas.DataFrame": [1, 2]}, "blobs": []}\n',
    "columns of other lengths": b'{"value": {"pandas.DataFrame": [["range", [null], [0, 1, 1]],'
    b'["range", [null], [0, 2, 1]], [["objects", ["a"]]]]}, "blobs": []}\n',
    "a zone in a file": b'{"value": {"pandas.DataFrame": [["range", [null], [0, 0, 1]],'
    b'["values", [null], ["zoned", [], "dateutil//etc/passwd"]], []]}, "blobs": []}\n',
    "no Polars table": b'{"value": {"polars.DataFrame": 0}, "blobs": [2]}\nab',
    "number": b'{"value": {"int": "__import__"}, "blobs": []}\n',
}


@pytest.mark.parametrize("lie", LIES)
def test_bytes_that_stand_for_nothing_are_an_error(lie: str) -> None:
    with failing(BROKEN, "can't be read"):
        decode(LIES[lie])


def test_an_array_that_claims_to_be_huge_is_an_error() -> None:
    head = str({"descr": "<f8", "fortran_order": False, "shape": (10**13,)}).ljust(117) + "\n"
    file = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
    for data in (file, file.replace(b"'<f8'", b"'|O' ")):
        with failing(BROKEN, "can't be read"):
            decode(b'{"value": {"array": 0}, "blobs": [%d]}\n' % len(data) + data)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with failing(BROKEN, "can't be read"):
        decode(data)


@pytest.mark.parametrize("kind", [set, frozenset, dict.fromkeys])
def test_keys_that_all_have_the_same_hash_are_refused(kind: Callable[[list[int]], Any]) -> None:
    modulus = sys.hash_info.modulus
    few, many = ([number * modulus for number in range(count)] for count in (100, 2_000))
    assert decode(encode("few", kind(few))) == kind(few)
    with pytest.raises(Failure, match="more than 100 of its keys have the same hash"):
        decode(encode("many", kind(many)))
