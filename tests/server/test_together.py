"""The vendor's published client works against the local server as against the vendor's."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import together
from together.types.execute_response import SuccessfulExecution

from tests.server.bundles import good_bundle
from tests.support.servers import ServerProcess, serving


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[together.Together]:
    """The client, which checks each answer against its own models."""
    with together.Together(
        api_key=server.token, base_url=server.base_url, _strict_response_validation=True
    ) as one:
        yield one


@pytest.fixture(scope="module")
def session_id(client: together.Together) -> str:
    return _execute(client, "pass").data.session_id


def _execute(client: together.Together, code: str, **options: Any) -> SuccessfulExecution:
    answer = client.code_interpreter.execute(code=code, language="python", **options)
    assert isinstance(answer, SuccessfulExecution)
    assert answer.errors is None
    assert answer.data.status == "success"
    return answer


def test_a_session_is_reused(client: together.Together) -> None:
    first = _execute(client, "x = 20")
    session_id = first.data.session_id
    second = _execute(client, "print(x + 1); x + 2", session_id=session_id)
    assert second.data.session_id == session_id
    printed, result = second.data.outputs
    assert (printed.type, printed.data) == ("stdout", "21\n")
    assert result.type == "execute_result"
    assert result.data.text_plain == "22"
    _execute(client, "import os; os._exit(0)", session_id=session_id)


def test_an_error_is_an_output(client: together.Together, session_id: str) -> None:
    (output,) = _execute(client, "1 / 0", session_id=session_id).data.outputs
    assert output.type == "error"
    assert "ZeroDivisionError" in output.data


def test_files_are_uploaded(client: together.Together, session_id: str) -> None:
    files = [
        {"name": "notes/a.txt", "encoding": "string", "content": "text"},
        {"name": "b.bin", "encoding": "base64", "content": base64.b64encode(b"\0\xff").decode()},
    ]
    code = "print(open('notes/a.txt').read(), open('b.bin', 'rb').read())"
    (output,) = _execute(client, code, session_id=session_id, files=files).data.outputs
    assert output.data == "text b'\\x00\\xff'\n"


def test_every_kind_of_data_fits_its_models(client: together.Together, session_id: str) -> None:
    bundle = good_bundle()
    code = f"display({bundle!r}, raw=True)"
    (output,) = _execute(client, code, session_id=session_id).data.outputs
    assert output.type == "display_data"
    assert output.data.to_dict() == bundle


def test_sessions_are_listed(client: together.Together, session_id: str) -> None:
    answer = client.code_interpreter.sessions.list()
    assert answer.errors is None
    assert answer.data is not None
    (session,) = [one for one in answer.data.sessions if one.id == session_id]
    assert session.execute_count >= 1
    assert session.started_at <= session.last_execute_at
    assert session.expires_at == session.started_at + timedelta(minutes=60)


def test_an_unknown_session_is_not_found(client: together.Together) -> None:
    with pytest.raises(together.NotFoundError) as raised:
        _execute(client, "1", session_id="ses_" + "a" * 21)
    assert raised.value.status_code == 404
    assert "No session" in str(raised.value)


def test_a_bad_file_is_a_bad_request(client: together.Together, session_id: str) -> None:
    files = [{"name": "../escaped", "encoding": "string", "content": ""}]
    with pytest.raises(together.BadRequestError) as raised:
        _execute(client, "1", session_id=session_id, files=files)
    assert "'files.0.name' must be a path inside the working directory" in str(raised.value)


def test_a_wrong_key_is_an_authentication_error(client: together.Together) -> None:
    with pytest.raises(together.AuthenticationError):
        client.with_options(api_key="wrong").code_interpreter.sessions.list()


def test_too_many_sessions_are_a_rate_limit() -> None:
    with (
        serving("--max-sessions", "1") as server,
        # Left to itself, the client would wait for Retry-After and send the request again.
        together.Together(api_key=server.token, base_url=server.base_url, max_retries=0) as client,
    ):
        _execute(client, "pass")
        with pytest.raises(together.RateLimitError):
            _execute(client, "pass")


async def test_the_asynchronous_client_works_too(server: ServerProcess, session_id: str) -> None:
    async with together.AsyncTogether(api_key=server.token, base_url=server.base_url) as client:
        answer = await client.code_interpreter.execute(
            code="print('hello')", language="python", session_id=session_id
        )
        assert isinstance(answer, SuccessfulExecution)
        assert [output.data for output in answer.data.outputs] == ["hello\n"]
