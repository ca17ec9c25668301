"""Each output of the service becomes the Jupyter message that shows it, and nothing is lost."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_kernel_test.msgspec_v5 import get_msg_content_validator

from tci_kernel.client.schema import ExecuteResponse, Output
from tci_kernel.core import messages
from tci_kernel.core.errors import ConnectionLost
from tci_kernel.core.messages import Message, display, error_of, stream
from tci_kernel.kernel.pacing import parts
from tci_kernel.session.direct.answers import read

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


def message(type_: str, data: Any) -> Message:
    """The one message that an output of the service becomes."""
    (only,) = read(ExecuteResponse("ses_a", [Output(type_, data)]), COUNT, None).messages
    return only


def valid(message: Message) -> Message:
    """A message, checked against the schema of the Jupyter protocol."""
    get_msg_content_validator(message.type, 1).validate(dict(message.content))
    return message


# --------------------------------------------------------------------------------------------
# What each type of output becomes


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_printed_text_becomes_a_stream_as_it_is(name: str) -> None:
    text = "50%\r100%\r\n\x1b[1mdone\x1b[0m\n"

    assert valid(message(name, text)) == stream(name, text)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("data", ["", None])
def test_empty_text_is_published_as_nothing(name: str, data: str | None) -> None:
    assert list(parts(message(name, data))) == []


def test_display_becomes_display_data() -> None:
    bundle = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 640x480 with 1 Axes>"}

    assert valid(message("display_data", bundle)) == display(bundle)


def test_result_becomes_execute_result_with_the_number_of_its_cell() -> None:
    shown = valid(message("execute_result", {"text/plain": "2"}))

    assert shown.type == "execute_result"
    assert shown.content == {"data": {"text/plain": "2"}, "metadata": {}, "execution_count": COUNT}


def test_error_becomes_the_parts_of_its_traceback() -> None:
    text = (
        'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\n'
        "NameError: name 'x' is not defined"
    )

    shown = valid(message("error", text))
    content = shown.content

    assert shown.type == "error"
    assert (content["ename"], content["evalue"]) == ("NameError", "name 'x' is not defined")
    assert "\n".join(content["traceback"]) == text


@pytest.mark.parametrize("data", ["", None, {}, ["a"], 5])
def test_error_of_any_form_says_something(data: Any) -> None:
    shown = valid(message("error", data))
    content = shown.content

    assert shown.type == "error"
    assert content["ename"]
    assert "\n".join(content["traceback"]).strip()


def test_data_without_a_mime_type_is_left_out_or_shown_as_text() -> None:
    mixed = message("display_data", {"": None, "text/html": "<b>", "no type": 1})
    assert mixed.content["data"] == {"text/html": "<b>"}
    assert message("display_data", {"odd": 1}).content["data"] == {"text/plain": '{"odd": 1}'}


@pytest.mark.parametrize("kind", ["stdout", "display_data", "execute_result", "unheard of"])
def test_an_output_without_data_shows_nothing(kind: str) -> None:
    assert list(parts(message(kind, None))) == []


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
    assert message(kind, data).content["data"] == {"text/plain": text}


@pytest.mark.parametrize(
    ("data", "text"), [({"a": "é"}, '{"a": "é"}'), ([1, None], "[1, null]"), (0, "0")]
)
def test_stream_that_is_no_text_is_shown_as_json(data: Any, text: str) -> None:
    assert message("stdout", data) == stream("stdout", text)


@pytest.mark.parametrize("type_", ["", "None", "STDOUT", "update_display_data", "input_request"])
def test_output_of_an_unknown_type_is_shown_rather_than_lost(type_: str) -> None:
    assert message(type_, "something") == stream("stdout", "something")


@given(TYPES | st.text(), JSON | BUNDLES)
def test_whatever_arrives_becomes_valid_messages(type_: str, data: Any) -> None:
    shown = message(type_, data)

    # A schema that knows no MIME type but those of the form a/b can't judge made-up keys.
    if all("/" in key for key in shown.content.get("data", {})):
        valid(shown)


# --------------------------------------------------------------------------------------------
# MIME bundles


@pytest.mark.parametrize("kind", ["display_data", "execute_result"])
@given(bundle=BUNDLES)
def test_bundle_passes_untouched(kind: str, bundle: dict[str, Any]) -> None:
    shown = message(kind, bundle).content["data"]

    assert shown == bundle
    assert list(shown) == list(bundle)


def test_image_passes_byte_for_byte() -> None:
    # Line ends inside, as Python's `encodebytes` writes them, are part of what passes.
    image = base64.encodebytes(os.urandom(100_000)).decode()

    assert message("display_data", {"image/png": image}).content["data"]["image/png"] == image


@pytest.mark.parametrize("kind", ["display_data", "execute_result"])
def test_view_of_a_widget_is_left_out_where_something_stands_beside_it(kind: str) -> None:
    view = {WIDGET: {"model_id": "1"}, "text/plain": "IntSlider(value=0)", "text/html": "<b>"}
    came = dict(view)

    shown = message(kind, view).content["data"]

    assert shown == {"text/plain": "IntSlider(value=0)", "text/html": "<b>"}
    assert view == came


def test_view_of_a_widget_alone_is_kept() -> None:
    view = {WIDGET: {"model_id": "1"}}

    assert message("display_data", view).content["data"] == view


def test_empty_bundle_stays_a_display() -> None:
    assert message("display_data", {}).content["data"] == {}


# --------------------------------------------------------------------------------------------
# Failures of our own


def test_failure_of_ours_has_no_stack() -> None:
    try:
        raise ConnectionLost("The connection was lost.", fate="The code may have run.")
    except ConnectionLost as error:
        failure = valid(error_of(error))

    text = "The connection was lost.\nThe code may have run."
    assert failure == messages.error("ConnectionLost", text, [f"ConnectionLost: {text}"])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), RecursionError()])
def test_failure_without_a_message_still_has_its_name(error: BaseException) -> None:
    content = valid(error_of(error)).content

    assert content["ename"] == type(error).__name__
    assert content["traceback"][0].startswith(type(error).__name__)
