"""Each output of the service becomes the Jupyter message that shows it, and nothing is lost."""

from __future__ import annotations

import base64
import os
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_kernel_test.msgspec_v5 import get_msg_content_validator

from tci_kernel.client.schema import Output
from tci_kernel.core import messages as events
from tci_kernel.core.errors import ConnectionLost
from tci_kernel.core.messages import Display, Event, Failure, Message, Result, Stream
from tci_kernel.session.direct.answers import from_output

COUNT = 7
WIDGET = "application/vnd.jupyter.widget-view+json"
KNOWN = [
    *("text/plain", "text/html", "text/latex", "text/markdown", "image/png", "image/svg+xml"),
    *("application/json", "application/javascript", "application/pdf", "application/geo+json"),
    *("application/vnd.vegalite.v4+json", "application/vnd.vega.v5+json"),
]
UNKNOWN = ["application/vnd.vegalite.v5+json", "application/vnd.plotly.v1+json", "x-new/kind"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
BUNDLES = st.dictionaries(st.sampled_from(KNOWN + UNKNOWN), JSON, min_size=1)
TYPES = st.sampled_from(["stdout", "stderr", "error", "display_data", "execute_result"])


def messages(event: Event) -> list[Message]:
    """The messages of an event, each checked against the schema of the Jupyter protocol."""
    found = list(event.messages(COUNT))
    for message_type, content in found:
        get_msg_content_validator(message_type, 1).validate(content)
    return found


def message(type_: str, data: Any) -> Message:
    """The one message that an output of the service becomes."""
    (only,) = messages(from_output(Output(type_, data)))
    return only


# --------------------------------------------------------------------------------------------
# What each type of output becomes


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_printed_text_becomes_a_stream_as_it_is(name: str) -> None:
    text = "50%\r100%\r\n\x1b[1mdone\x1b[0m\n"

    assert message(name, text) == ("stream", {"name": name, "text": text})


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("data", ["", None])
def test_empty_text_is_no_message(name: str, data: str | None) -> None:
    assert messages(from_output(Output(name, data))) == []


def test_display_becomes_display_data() -> None:
    bundle = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 640x480 with 1 Axes>"}

    kind, content = message("display_data", bundle)

    assert kind == "display_data"
    assert content == {"data": bundle, "metadata": {}, "transient": {}}


def test_result_becomes_execute_result_with_the_number_of_its_cell() -> None:
    kind, content = message("execute_result", {"text/plain": "2"})

    assert kind == "execute_result"
    assert content == {"data": {"text/plain": "2"}, "metadata": {}, "execution_count": COUNT}


def test_error_becomes_the_parts_of_its_traceback() -> None:
    text = (
        'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\n'
        "NameError: name 'x' is not defined"
    )

    kind, content = message("error", text)

    assert kind == "error"
    assert (content["ename"], content["evalue"]) == ("NameError", "name 'x' is not defined")
    assert "\n".join(content["traceback"]) == text


@pytest.mark.parametrize("data", ["", None, {}, ["a"], 5])
def test_error_of_any_form_says_something(data: Any) -> None:
    kind, content = message("error", data)

    assert kind == "error"
    assert content["ename"]
    assert "\n".join(content["traceback"]).strip()


def test_data_without_a_mime_type_is_left_out_or_shown_as_text() -> None:
    mixed = message("display_data", {"": None, "text/html": "<b>", "no type": 1})
    assert mixed[1]["data"] == {"text/html": "<b>"}
    assert message("display_data", {"odd": 1})[1]["data"] == {"text/plain": '{"odd": 1}'}


@pytest.mark.parametrize("kind", ["stdout", "display_data", "execute_result", "unheard of"])
def test_an_output_without_data_shows_nothing(kind: str) -> None:
    assert list(from_output(Output(kind, None)).messages(1)) == []


@pytest.mark.parametrize("kind", ["display_data", "execute_result"])
@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("bare text", "bare text"),
        (3, "3"),
        (2.5, "2.5"),
        (True, "true"),
        (["a", "é"], '["a", "é"]'),
    ],
)
def test_data_that_is_no_bundle_is_shown_as_text(kind: str, data: Any, text: str) -> None:
    assert message(kind, data)[1]["data"] == {"text/plain": text}


@pytest.mark.parametrize(
    ("data", "text"), [({"a": "é"}, '{"a": "é"}'), ([1, None], "[1, null]"), (0, "0")]
)
def test_stream_that_is_no_text_is_shown_as_json(data: Any, text: str) -> None:
    assert message("stdout", data) == ("stream", {"name": "stdout", "text": text})


@pytest.mark.parametrize("type_", ["", "None", "STDOUT", "update_display_data", "input_request"])
def test_output_of_an_unknown_type_is_shown_rather_than_lost(type_: str) -> None:
    assert message(type_, "something") == ("stream", {"name": "stdout", "text": "something"})


@given(TYPES | st.text(), JSON | BUNDLES)
def test_whatever_arrives_becomes_valid_messages(type_: str, data: Any) -> None:
    event = from_output(Output(type_, data))

    # A schema that knows no MIME type but those of the form a/b can't judge made-up keys.
    if not (isinstance(event, (Display, Result)) and any("/" not in key for key in event.data)):
        messages(event)


# --------------------------------------------------------------------------------------------
# MIME bundles


@pytest.mark.parametrize("kind", ["display_data", "execute_result"])
@given(bundle=BUNDLES)
def test_bundle_passes_untouched(kind: str, bundle: dict[str, Any]) -> None:
    shown = message(kind, bundle)[1]["data"]

    assert shown == bundle
    assert list(shown) == list(bundle)


def test_image_passes_byte_for_byte() -> None:
    # Line ends inside, as Python's `encodebytes` writes them, are part of what passes.
    image = base64.encodebytes(os.urandom(100_000)).decode()

    assert message("display_data", {"image/png": image})[1]["data"]["image/png"] == image


@pytest.mark.parametrize("kind", ["display_data", "execute_result"])
def test_view_of_a_widget_is_left_out_where_something_stands_beside_it(kind: str) -> None:
    view = {WIDGET: {"model_id": "1"}, "text/plain": "IntSlider(value=0)", "text/html": "<b>"}
    came = dict(view)

    shown = message(kind, view)[1]["data"]

    assert shown == {"text/plain": "IntSlider(value=0)", "text/html": "<b>"}
    assert view == came


def test_view_of_a_widget_alone_is_kept() -> None:
    view = {WIDGET: {"model_id": "1"}}

    assert message("display_data", view)[1]["data"] == view


def test_empty_bundle_stays_a_display() -> None:
    assert message("display_data", {})[1]["data"] == {}


# --------------------------------------------------------------------------------------------
# Long streams


@given(
    text=st.lists(st.text(st.sampled_from("ab\r\U0001f600"), max_size=30)).map("\n".join),
    limit=st.integers(1, 20),
)
def test_long_text_is_cut_at_line_ends_and_loses_nothing(text: str, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # A limit small enough for short texts to meet every case of it.
        patch.setattr(events, "STREAM_CHUNK", limit)
        chunks = [content["text"] for _, content in messages(Stream("stderr", text))]

    assert "".join(chunks) == text
    assert all(0 < len(chunk) <= limit for chunk in chunks)
    for chunk, following in pairwise(chunks):
        # Either the cut is at a line's end, or there was none to cut at.
        assert chunk.endswith("\n") or ("\n" not in chunk and len(chunk) == limit)
        # Nothing that would have fitted is left for the next message.
        first_line = following[: following.find("\n") + 1] or following
        assert len(chunk) + len(first_line) > limit


def test_megabytes_of_text_become_few_messages() -> None:
    text = "line\n" * 2_000_000

    chunks = [content["text"] for _, content in messages(Stream("stdout", text))]

    assert "".join(chunks) == text
    # Jupyter Server takes 3,000 messages in 3 s, and so does whoever reads them.
    assert len(chunks) < 200
    assert max(map(len, chunks)) <= events.STREAM_CHUNK


def test_chunks_are_made_as_they_are_asked_for() -> None:
    # The kernel can be interrupted between two of them.
    stream = Stream("stdout", "x" * (3 * events.STREAM_CHUNK)).messages(COUNT)

    assert len(next(stream)[1]["text"]) == events.STREAM_CHUNK
    assert len(list(stream)) == 2


# --------------------------------------------------------------------------------------------
# Failures of our own


def test_failure_of_ours_has_no_stack() -> None:
    try:
        raise ConnectionLost("The connection was lost.\nThe code may have run.")
    except ConnectionLost as error:
        failure = Failure.from_error(error)

    assert failure.ename == "ConnectionLost"
    assert failure.evalue == "The connection was lost.\nThe code may have run."
    assert failure.traceback == [f"{failure.ename}: {failure.evalue}"]
    assert messages(failure) == [("error", failure.content())]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), RecursionError()])
def test_failure_without_a_message_still_has_its_name(error: BaseException) -> None:
    ((_, content),) = messages(Failure.from_error(error))

    assert content["ename"] == type(error).__name__
    assert content["traceback"][0].startswith(type(error).__name__)
