"""Nothing that a service answers makes reading it fail otherwise than documented.

What is read goes on to a notebook as JSON in UTF-8, so nothing may come out of the readers that
JSON or UTF-8 can't carry: no half of a surrogate pair, no NaN, no infinity, nothing too deep.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.client.schema import ExecuteResponse, SessionsResponse, error_message
from tci_kernel.core.errors import ExecutionRefused, InvalidAnswer

Reader = Callable[[bytes], Any]

READERS: list[Reader] = [ExecuteResponse.from_body, SessionsResponse.from_body, error_message]

# Stands in generated JSON for a number that is valid there and too large for a float.
HUGE = "<huge>"

# The fields that the readers look at, so that what is generated gets past the first of them.
NAMES = st.sampled_from(
    [
        *("data", "outputs", "errors", "error", "message", "type", "sessions", "session_id"),
        *("id", "execute_count", "started_at", "last_execute_at", "expires_at", "\ud800"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.lists(st.text() | st.sampled_from(["\ud83d", "\ude00"]), max_size=3).map("".join)
    | st.just(HUGE)
    | st.datetimes(timezones=st.none() | st.timezones()).map(datetime.isoformat)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5)
)
OUTPUTS = st.lists(st.fixed_dictionaries({}, optional={"type": VALUES, "data": VALUES}) | VALUES)
ROWS = st.lists(st.dictionaries(NAMES, VALUES) | VALUES)
DATA = st.fixed_dictionaries({}, optional={"outputs": OUTPUTS, "sessions": ROWS, "errors": VALUES})
ANSWERS = VALUES | st.fixed_dictionaries(
    {}, optional={"data": DATA | VALUES, "errors": VALUES, "error": VALUES}
)


def as_json(value: object, ascii_only: bool) -> bytes:
    """The value as Python writes it, NaN and lone surrogates included, as bytes or escaped."""
    text = json.dumps(value, ensure_ascii=ascii_only)
    return text.replace(json.dumps(HUGE), "1e999").encode("utf-8", "surrogatepass")


def read(reader: Reader, body: bytes) -> Any:
    """What a reader makes of a body, which a notebook must be able to hold; None for nothing.

    An error's text ends up in the notebook as well.
    """
    try:
        answer = reader(body)
    except (ExecutionRefused, InvalidAnswer) as error:
        answer = None
        publish(str(error))
    publish(answer if answer is None or isinstance(answer, str) else asdict(answer))
    return answer


def publish(value: Any) -> None:
    """Encode a value as Jupyter does; whatever fails here would fail in the kernel."""
    json.dumps(value, ensure_ascii=False, allow_nan=False, default=datetime.isoformat).encode()


def output(data: str) -> bytes:
    """An answer with one output, whose data is given as JSON."""
    return f'{{"data":{{"outputs":[{{"type":"execute_result","data":{data}}}]}}}}'.encode()


@pytest.mark.parametrize("reader", READERS)
@given(body=st.binary())
def test_arbitrary_bytes_are_read_or_refused(reader: Reader, body: bytes) -> None:
    read(reader, body)


@pytest.mark.parametrize("reader", READERS)
@given(value=ANSWERS, ascii_only=st.booleans())
def test_arbitrary_json_is_read_or_refused(reader: Reader, value: Any, ascii_only: bool) -> None:
    read(reader, as_json(value, ascii_only))


@given(value=VALUES, ascii_only=st.booleans())
def test_whatever_an_output_holds_the_output_is_shown(value: Any, ascii_only: bool) -> None:
    answer = {"data": {"outputs": [{"type": "execute_result", "data": value}]}}

    assert len(read(ExecuteResponse.from_body, as_json(answer, ascii_only)).outputs) == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1E+400"])
def test_number_that_json_cannot_carry_becomes_null(number: str) -> None:
    answer = read(ExecuteResponse.from_body, output(f'{{"application/json":[1.5,{number}]}}'))

    assert answer.outputs[0].data == {"application/json": [1.5, None]}


def test_number_of_too_many_digits_becomes_null() -> None:
    answer = read(ExecuteResponse.from_body, output("9" * 400 + ".0"))

    assert answer.outputs[0].data is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (rb"a\ud83db", "a\ufffdb"),
        (rb"a\uDE00b", "a\ufffdb"),
        (rb"\ud83d\ude00", "\N{GRINNING FACE}"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\\ud83d", r"\ud83d"),
    ],
)
def test_escaped_half_of_a_surrogate_pair_is_replaced(text: bytes, shown: str) -> None:
    body = output('{"text/plain":"TEXT","TEXT":""}').replace(b"TEXT", text)

    answer = read(ExecuteResponse.from_body, body)

    assert answer.outputs[0].data == {"text/plain": shown, shown: ""}


@pytest.mark.parametrize("raw", [b"\xed\xa0\xbd", b"\xff", b"\xc3"])
def test_bytes_that_are_not_utf_8_are_replaced_and_the_rest_is_shown(raw: bytes) -> None:
    answer = read(ExecuteResponse.from_body, output('"<TEXT>"').replace(b"TEXT", raw))

    shown = answer.outputs[0].data
    assert (shown[0], shown[-1]) == ("<", ">")
    assert set(shown[1:-1]) == {"\ufffd"}


def test_byte_order_mark_is_no_hindrance() -> None:
    assert read(ExecuteResponse.from_body, b"\xef\xbb\xbf" + output("1")).outputs[0].data == 1


# Depths around what Python's own recursion limit lets json read, where reading may still succeed
# and the next step fail; and one far beyond it.
DEPTHS = [*range(300, 1000, 100), *range(900, 1000, 5), 5_000, 100_000]


@pytest.mark.parametrize("leaf", ["1", r'"\ud800"', "1e999"])
@pytest.mark.parametrize("where", ["output", "output_type", "errors", "error"])
def test_deep_nesting_is_read_or_refused(where: str, leaf: str) -> None:
    bodies = {
        "output": output("DEEP"),
        "output_type": b'{"data":{"outputs":[{"type":DEEP,"data":""}]}}',
        "errors": b'{"data":null,"errors":[DEEP]}',
        "error": b'{"error":DEEP}',
    }
    for depth in DEPTHS:
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deep = opening * depth + leaf + closing * depth
            body = bodies[where].replace(b"DEEP", deep.encode())
            for reader in READERS:
                read(reader, body)
