"""What travels is written to the letter of the contract and read with leniency."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.client.schema import (
    ExecuteRequest,
    ExecuteResponse,
    Output,
    SessionInfo,
    SessionsResponse,
    error_message,
)
from tci_kernel.core.cell import File
from tci_kernel.core.errors import ExecutionRefused, InvalidAnswer, RequestRejected
from tests.support import contract

# All of Unicode, and often what an encoding could stumble over: halves of surrogate pairs, NUL.
TEXT = st.lists(
    st.text() | st.sampled_from(["\ud83d", "\ude00", "\0", "\\ud83d", '"', "\r\n", "\u2028"])
).map("".join)
FILE = st.builds(File, TEXT, TEXT, st.sampled_from(["string", "base64"]))
REQUEST = st.builds(ExecuteRequest, TEXT, st.none() | TEXT, st.lists(FILE, max_size=3))

SESSION = "ses_" + "a" * 21
DEEP = 100_000


def as_utf16(text: str) -> str:
    """The text as JSON knows it: two halves of a pair that meet are one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


# --------------------------------------------------------------------------------------------
# Requests


@given(REQUEST)
def test_request_is_written_to_the_contract_and_says_the_same_when_read(
    request_: ExecuteRequest,
) -> None:
    body = contract.check("ExecuteRequest", request_.to_body())

    assert body["language"] == "python"
    assert body["code"] == as_utf16(request_.code)
    read = ExecuteRequest.from_json(body)
    assert json.dumps(asdict(read)) == json.dumps(asdict(request_))


def test_request_without_session_and_files_has_only_what_is_required() -> None:
    assert json.loads(ExecuteRequest("1").to_body()) == {"language": "python", "code": "1"}


def test_request_may_have_fields_that_are_unknown() -> None:
    body = {"language": "python", "code": "1", "timeout": 5}

    assert ExecuteRequest.from_json(body) == ExecuteRequest("1", None, [])


GOOD_FILE = {"name": "a.txt", "encoding": "string", "content": "x"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"code": None}, "code"),
        ({"code": ["print()"]}, "code"),
        ({"language": 3}, "language"),
        ({"language": "Python"}, "language"),
        ({"language": "r"}, "language"),
        ({"session_id": None}, "session_id"),
        ({"session_id": 1}, "session_id"),
        ({"files": None}, "files"),
        ({"files": {"0": GOOD_FILE}}, "files"),
        ({"files": ["a.txt"]}, "files.0"),
        ({"files": [GOOD_FILE, {**GOOD_FILE, "name": 1}]}, "files.1.name"),
        ({"files": [{**GOOD_FILE, "encoding": "utf-8"}]}, "files.0.encoding"),
        ({"files": [{**GOOD_FILE, "encoding": None}]}, "files.0.encoding"),
        ({"files": [{**GOOD_FILE, "content": b"".hex}]}, "files.0.content"),
        ({"files": [{"name": "a.txt", "encoding": "string"}]}, "files.0.content"),
        ({"files": [{}]}, "files.0.name"),
    ],
)
def test_wrong_field_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestRejected) as caught:
        ExecuteRequest.from_json({"language": "python", "code": "1", **change})

    assert caught.value.param == param
    assert f"'{param}'" in str(caught.value)
    assert caught.value.status == 400


@pytest.mark.parametrize("missing", ["code", "language"])
def test_missing_field_is_named(missing: str) -> None:
    body = {"language": "python", "code": "1"}
    del body[missing]

    with pytest.raises(RequestRejected, match=f"'{missing}' is required") as caught:
        ExecuteRequest.from_json(body)

    assert caught.value.param == missing


@pytest.mark.parametrize("body", [None, [], "python", 1, True])
def test_body_other_than_an_object_is_rejected_as_a_whole(body: object) -> None:
    with pytest.raises(RequestRejected, match="JSON object") as caught:
        ExecuteRequest.from_json(body)

    assert caught.value.param is None


@given(st.binary())
def test_file_holds_the_bytes_that_its_base64_says(data: bytes) -> None:
    assert File("f", base64.b64encode(data).decode(), "base64").to_bytes() == data


@given(st.text())
def test_file_holds_its_text_as_utf_8(text: str) -> None:
    assert File("f", text).to_bytes().decode() == text


@pytest.mark.parametrize(
    ("content", "encoding"),
    [("a", "base64"), ("YQ", "base64"), ("Y Q==", "base64"), ("ä", "base64"), ("\ud800", "string")],
)
def test_file_that_is_not_what_its_encoding_says_is_refused(content: str, encoding: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        File("f", content, encoding).to_bytes()


# --------------------------------------------------------------------------------------------
# Answers to an execution


def test_answer_gives_the_session_and_the_outputs_in_order() -> None:
    outputs: list[dict[str, Any]] = [
        {"type": "stdout", "data": "a\r\n"},
        {"type": "display_data", "data": {"text/plain": "<Figure>", "image/png": "iVBOR"}},
        {"type": "brand_new", "data": None},
    ]
    data = {"session_id": SESSION, "status": "error", "outputs": outputs, "extra": 1}

    answer = ExecuteResponse.from_body(json.dumps({"data": data, "errors": None}).encode())

    assert answer.session_id == SESSION
    assert answer.outputs == [Output(item["type"], item["data"]) for item in outputs]
    assert answer.errors == []


def test_answer_may_name_no_session_and_hold_outputs_that_are_none() -> None:
    body = b'{"data":{"session_id":7,"outputs":["x",null,{"data":"y"},{"type":"stdout"}]}}'

    answer = ExecuteResponse.from_body(body)

    assert answer.session_id is None
    assert [output.data for output in answer.outputs] == ["x", None, "y", None]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (["gone"], ["gone"]),
        ([{"message": "gone"}], ["gone"]),
        (["a", {"message": "b"}, "", None, {"message": ""}], ["a", "b"]),
        ([{"code": 7}], ['{"code": 7}']),
        ([["a"], 7], ["['a']", "7"]),
        ([], []),
        (None, []),
    ],
)
def test_errors_are_read_as_strings_and_as_objects(errors: object, said: list[str]) -> None:
    ran = {"data": {"outputs": []}, "errors": errors}
    refused = {"data": None, "errors": errors}

    assert ExecuteResponse.from_body(json.dumps(ran).encode()).errors == said
    with pytest.raises(ExecutionRefused) as caught:
        ExecuteResponse.from_body(json.dumps(refused).encode())
    lines = said or ["The service did not say why."]
    assert str(caught.value).splitlines()[: len(lines)] == lines
    assert not caught.value.may_have_run


def test_errors_within_the_data_are_read_too() -> None:
    body = b'{"data":{"outputs":[],"errors":["inner"]},"errors":["outer"]}'

    assert ExecuteResponse.from_body(body).errors == ["outer", "inner"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"<html>", b"[]", b'"x"', b"null", b"9" * 5000),
        *(b"{}", b'{"data":""}', b'{"data":[]}', b'{"data":{}}'),
        *(b'{"data":{"outputs":null}}', b'{"data":{"outputs":{}}}'),
    ],
)
def test_answer_that_cannot_be_read_says_that_the_code_may_have_run(body: bytes) -> None:
    with pytest.raises(InvalidAnswer, match="may have run") as caught:
        ExecuteResponse.from_body(body)

    assert caught.value.may_have_run


# --------------------------------------------------------------------------------------------
# Answers to a request for the sessions


def test_sessions_are_read_and_written_as_the_service_does() -> None:
    row = {
        "id": SESSION,
        "execute_count": 2,
        "started_at": "2025-12-08T07:11:51.890310+00:00",
        "last_execute_at": "2025-12-08T07:12:00+00:00",
        "expires_at": "2025-12-08T07:41:51.890310+00:00",
    }
    body = json.dumps({"data": {"sessions": [row]}, "errors": None}).encode()

    (info,) = SessionsResponse.from_body(body).sessions

    assert info.started_at == datetime(2025, 12, 8, 7, 11, 51, 890310, UTC)
    contract.check("Session", info.to_json())
    assert info.to_json() == row


@pytest.mark.parametrize(
    "time",
    [
        *("", "soon", "2025-13-01", "2025-12-08T07:11:51+99:00", 7, None),
        # No other zone can tell these, and nothing can be counted from them.
        *("0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-12:00"),
    ],
)
def test_time_that_cannot_be_read_is_left_out(time: object) -> None:
    info = SessionInfo.from_json({"id": SESSION, "execute_count": "2", "expires_at": time})

    assert info == SessionInfo(SESSION)
    assert info.to_json() == {"id": SESSION, "execute_count": 0}


def test_time_in_utc_may_end_in_z() -> None:
    info = SessionInfo.from_json({"id": SESSION, "expires_at": "2025-12-08T07:41:51Z"})

    assert info.expires_at == datetime(2025, 12, 8, 7, 41, 51, tzinfo=UTC)


def test_refused_request_for_the_sessions_says_why() -> None:
    with pytest.raises(InvalidAnswer, match=r"^no such user$"):
        SessionsResponse.from_body(b'{"data":null,"errors":[{"message":"no such user"}]}')


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data":null}', b'{"data":[]}', b'{"data":{"sessions":{}}}']
)
def test_answer_without_a_list_of_sessions_cannot_be_read(body: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        SessionsResponse.from_body(body)


# --------------------------------------------------------------------------------------------
# Answers with another status


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"Invalid API key","type":"x","param":null}}', "Invalid API key"),
        (b'{"error":"busy"}', "busy"),
        (b'{"errors":["a",{"message":"b"}]}', "a\nb"),
        (b'{"errors":{"message":"b"}}', "b"),
        (b'{"error":{"code":"busy"}}', '{"code": "busy"}'),
        (b'{"error":null}', ""),
        (b"{}", ""),
        (b"<html><h1>502 Bad Gateway</h1></html>", ""),
        (b"", ""),
        (b"\xff\xfe\x00", ""),
        (b"[" * DEEP, ""),
    ],
)
def test_message_of_a_failure_is_found_or_empty(body: bytes, said: str) -> None:
    assert error_message(body) == said
