"""Messages between ZeroMQ and the text of an exchange."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.remote.frames import DELIMITER, JOINED, PARTS, Frames, Signer
from tests.support.framing import frames, printed

SIGNER = Signer(b"key")


def written(frames: Frames) -> Any:
    """A message as it travels in an exchange; the text can be printed."""
    text = frames.text()
    text.encode()
    return json.loads(text)


def sent(*parts: bytes, signer: Signer = SIGNER) -> list[bytes]:
    """What a peer sends whose key is that of the signer."""
    return [b"identity", DELIMITER, signer._signature(parts[:4]), *parts]


# -- as text ---------------------------------------------------------------------------------------


def test_a_message_travels_with_all_its_parts() -> None:
    message = frames("display_data", {"data": {"text/plain": "ü"}}, buffers=[b"\0\xff", b""])
    assert written(message) == {
        "channel": "iopub",
        "header": {"msg_type": "display_data"},
        "parent_header": {"msg_id": "request"},
        "metadata": {},
        "content": {"data": {"text/plain": "ü"}},
        "buffers": ["AP8=", ""],
    }


def test_what_is_known_of_a_message_is_its_type_its_request_and_its_bytes() -> None:
    message = frames("comm_msg", {"data": "é"}, parent="other", buffers=[b"12345"])
    assert (message.type, message.parent_id, message.name) == ("comm_msg", "other", "")
    parts = [json.dumps(written(message)[name]) for name in PARTS]
    assert message.size == sum(map(len, parts)) + 5
    assert frames("status", parent="").parent_id == ""


def test_half_a_surrogate_pair_can_be_printed() -> None:
    assert written(printed("\ud83d!"))["content"]["text"] == "\ud83d!"


def test_what_is_not_utf_8_is_replaced() -> None:
    parts = [b'{"msg_type": "stream"}', b"{}", b"{}", b'{"name": "stdout", "text": "\xff"}']
    assert written(Frames("iopub", parts, []))["content"]["text"] == "\ufffd"


# -- joined, and taken apart -----------------------------------------------------------------------


def test_what_follows_on_the_same_stream_is_joined() -> None:
    message = printed("a")
    before = message.size
    assert message.join(printed("bü"))
    assert message.join(printed("c"))
    assert message.content() == {"name": "stdout", "text": "abüc"}
    assert written(message)["content"]["text"] == "abüc"
    assert message.size > before


@pytest.mark.parametrize(
    "other",
    [
        printed("b", "stderr"),
        printed("b", parent="other"),
        frames("display_data"),
        printed("b" * JOINED),
    ],
    ids=["another stream", "another request", "no stream", "too much"],
)
def test_what_belongs_elsewhere_is_not_joined(other: Frames) -> None:
    message = printed("a")
    assert not message.join(other)
    assert message.content()["text"] == "a"
    assert not frames("display_data").join(printed("b"))


def test_joined_it_has_the_bytes_of_the_texts_alone() -> None:
    message, joined = printed("a"), printed("b")
    frame = message.size - len('{"name": "stdout", "text": "a"}')
    for _ in range(100):
        assert message.join(joined.copy())
    assert message.size - frame < 101 * len('{"name": "stdout", "text": "b"}') + 1
    twice = message.copy()
    assert twice.join(message)
    assert twice.size - frame == 2 * (message.size - frame)


def test_a_copy_is_joined_by_itself() -> None:
    message = printed("a")
    copy = message.copy()
    copy.join(printed("b"))
    assert (message.content()["text"], copy.content()["text"]) == ("a", "ab")


@given(st.text(min_size=1), st.integers(1, 3 * JOINED))
def test_pieces_of_a_stream_are_the_stream_again(text: str, length: int) -> None:
    whole = (text * (length // len(text) + 1))[:length]
    pieces = [*printed(whole, "stderr").pieces()]
    assert "".join(piece.content()["text"] for piece in pieces) == whole
    assert {(piece.name, piece.parent_id) for piece in pieces} == {("stderr", "request")}
    assert len(pieces) == -(-length // JOINED)


def test_what_is_no_stream_stays_whole() -> None:
    message = frames("display_data", {"data": {"text/plain": "a" * 2 * JOINED}})
    assert [*message.pieces()] == [message]


def test_a_note_stands_on_the_error_output_of_the_same_request() -> None:
    note = frames("display_data", parent="other").note("said")
    assert note.content() == {"name": "stderr", "text": "said"}
    assert (note.type, note.parent_id) == ("stream", "other")


# -- signed ----------------------------------------------------------------------------------------


def test_what_was_signed_is_read_again() -> None:
    message = {
        "channel": "shell",
        "header": {"msg_id": "1", "msg_type": "comm_msg"},
        "content": {"data": "ü"},
        "buffers": [base64.b64encode(b"\0\xff").decode()],
    }
    found = SIGNER.read("shell", [b"identity", *SIGNER.frames(message)])
    assert found is not None
    assert written(found) == {**message, "parent_header": {}, "metadata": {}}


@pytest.mark.parametrize(
    "received",
    [
        [],
        [b"no delimiter"],
        [DELIMITER],
        [DELIMITER, b"wrong signature", b"{}", b"{}", b"{}", b"{}"],
        sent(b"{}", b"{}", b"{}", b"{}", signer=Signer(b"another key")),
        sent(b"{}", b"{}"),
        sent(b"no JSON", b"{}", b"{}", b"{}"),
        sent(b"[]", b"{}", b"{}", b"{}"),
        sent(b"{}", b"[]", b"{}", b"{}"),
        sent(b"[" * 100_000, b"{}", b"{}", b"{}"),
        sent(b'{"msg_type": "stream"}', b"{}", b"{}", b"{}"),
        sent(b'{"msg_type": "stream"}', b"{}", b"{}", b"[]"),
    ],
)
def test_what_is_no_message_is_not_read(received: list[bytes]) -> None:
    assert SIGNER.read("iopub", received) is None


def test_content_that_is_none_is_empty() -> None:
    found = SIGNER.read("iopub", sent(b'{"msg_type": "status"}', b"{}", b"{}", b"[1]"))
    assert found is not None
    assert found.content() == {}
