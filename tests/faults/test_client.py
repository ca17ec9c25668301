"""The client against a server that misbehaves: what is raised, and what is sent (never twice)."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import tracemalloc
from pathlib import Path

import pytest

from tci_kernel import TCIClient
from tci_kernel.core import errors
from tci_kernel.core.cell import File
from tests.faults.conftest import MakeClient
from tests.support import contract
from tests.support.certificates import self_signed
from tests.support.faulty import (
    SESSION,
    Action,
    FaultyServer,
    answer,
    faulty_server,
    hang_up,
    http,
    listing,
    raw,
)


async def test_an_execution_gives_its_session_and_outputs(
    service: FaultyServer, client: TCIClient
) -> None:
    service.play(answer(("stdout", "hi"), ("execute_result", {"text/plain": "1"})))
    ran = await client.execute("print('hi'); 1")
    assert ran.session_id == SESSION
    assert [output.type for output in ran.outputs] == ["stdout", "execute_result"]


async def test_files_and_session_travel_as_the_contract_says(
    service: FaultyServer, client: TCIClient
) -> None:
    service.play(answer())
    await client.execute("pass", SESSION, [File("a.txt", "ü"), File("b.bin", "AAE=", "base64")])
    (request,) = service.requests
    body = contract.check("ExecuteRequest", request.body)
    assert body == {
        "language": "python",
        "code": "pass",
        "session_id": SESSION,
        "files": [
            {"name": "a.txt", "encoding": "string", "content": "ü"},
            {"name": "b.bin", "encoding": "base64", "content": "AAE="},
        ],
    }


async def test_sessions_are_read_with_their_times(service: FaultyServer, client: TCIClient) -> None:
    row = {"id": SESSION, "execute_count": 3, "expires_at": "2025-12-08T07:11:51.890310+00:00"}
    service.listed = http(200, json.dumps({"data": {"sessions": [row]}, "errors": None}))
    (session,) = await client.sessions()
    assert (session.id, session.execute_count) == (SESSION, 3)
    assert session.expires_at is not None
    assert session.expires_at.isoformat() == row["expires_at"]
    assert service.requests[0].path == "/v1/tci/sessions"


async def test_connections_are_kept(service: FaultyServer, client: TCIClient) -> None:
    seen = []

    def note_and_answer(connection: socket.socket) -> None:
        seen.append(connection.getpeername())
        answer()(connection)

    service.play(note_and_answer)
    for _ in range(3):
        await client.execute("pass")
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    "errors_", [["the session has ended"], [{"message": "the session has ended"}]]
)
async def test_null_data_means_that_nothing_ran(
    service: FaultyServer, client: TCIClient, errors_: object
) -> None:
    service.play(http(200, json.dumps({"data": None, "errors": errors_})))
    with pytest.raises(errors.ExecutionRefused, match="the session has ended") as caught:
        await client.execute("pass")
    assert not caught.value.may_have_run


@pytest.mark.parametrize(
    ("status", "kind", "may_have_run"),
    [
        (400, errors.ServiceError, False),
        (401, errors.AuthenticationFailed, False),
        (402, errors.OutOfCredit, False),
        (403, errors.AuthenticationFailed, False),
        (404, errors.ServiceError, False),
        (429, errors.RateLimited, False),
        (500, errors.ServiceError, True),
        (503, errors.ServiceError, True),
        (524, errors.ServiceError, True),
    ],
)
async def test_other_statuses_say_whether_the_code_may_have_run(
    service: FaultyServer,
    client: TCIClient,
    status: int,
    kind: type[errors.TCIError],
    may_have_run: bool,
) -> None:
    service.play(http(status, json.dumps({"error": {"message": "because", "type": "x"}})))
    with pytest.raises(kind, match=rf"HTTP {status} \(.*\): because") as caught:
        await client.execute("pass")
    assert caught.value.may_have_run is may_have_run
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"\xff\xfe", b'{"data": {"sess', b"[]", b"3"]
)
async def test_an_answer_that_cannot_be_read_may_have_run(
    service: FaultyServer, client: TCIClient, body: bytes
) -> None:
    service.play(http(200, body))
    with pytest.raises(errors.InvalidAnswer) as caught:
        await client.execute("pass")
    assert caught.value.may_have_run
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "action",
    [
        hang_up(),
        hang_up(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
        hang_up(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"),
        raw(b"this is not HTTP\r\n\r\n"),
    ],
)
async def test_a_lost_connection_may_have_run_and_is_not_sent_again(
    service: FaultyServer, client: TCIClient, action: Action
) -> None:
    service.play(action)
    with pytest.raises(errors.ConnectionLost, match="may have run") as caught:
        await client.execute("pass")
    assert caught.value.may_have_run
    assert len(service.requests) == 1


async def test_a_refused_connection_did_not_run(make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = make_client(f"http://127.0.0.1:{port}")
    with pytest.raises(errors.ConnectionFailed, match="did not run") as caught:
        await client.execute("pass")
    assert not caught.value.may_have_run


async def test_an_unknown_host_did_not_run(make_client: MakeClient) -> None:
    client = make_client("http://no-such-host.invalid/v1")
    with pytest.raises(errors.ConnectionFailed):
        await client.execute("pass")


async def test_a_read_timeout_is_only_one_that_was_asked_for(
    service: FaultyServer, make_client: MakeClient
) -> None:
    service.play(lambda _: None)
    client = make_client(service.base_url, read_timeout=0.2)
    with pytest.raises(errors.ConnectionLost, match="ReadTimeout"):
        await client.execute("pass")
    assert TCIClient().read_timeout is None


@pytest.mark.parametrize("key", ["", "  ", "two words", "ключ", "line\nend"])
async def test_a_key_that_cannot_be_one_is_not_sent(
    service: FaultyServer, make_client: MakeClient, key: str
) -> None:
    client = make_client(service.base_url, api_key=key)
    with pytest.raises(errors.ConfigurationError) as caught:
        await client.execute("pass")
    assert "so nothing was sent" in str(caught.value)
    assert not key.strip() or key not in str(caught.value)
    assert service.requests == []


@pytest.mark.parametrize("url", ["ftp://host/v1", "not a url", "http://"])
async def test_an_address_that_cannot_be_one_is_said(make_client: MakeClient, url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="TOGETHER_BASE_URL"):
        await make_client(url).execute("pass")


def test_settings_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOGETHER_BASE_URL", raising=False)
    assert TCIClient().base_url == "https://api.together.xyz/v1"
    monkeypatch.setenv("TOGETHER_BASE_URL", "https://elsewhere/v1")
    monkeypatch.setenv("TOGETHER_API_KEY", "from-environment")
    assert TCIClient().base_url == "https://elsewhere/v1"
    assert TCIClient().api_key == "from-environment"
    assert TCIClient(api_key="given").api_key == "given"


async def test_a_proxy_is_used_but_never_for_loopback(
    service: FaultyServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server([answer(("stdout", "by proxy"))]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url.removesuffix("/v1"))
        service.play(answer(("stdout", "directly")))
        ran = await make_client(service.base_url).execute("pass")
        assert ran.outputs[0].data == "directly"
        assert proxy.requests == []
        elsewhere = make_client("http://service.example/v1")
        assert (await elsewhere.execute("pass")).outputs[0].data == "by proxy"
        assert proxy.requests[0].path == "http://service.example/v1/tci/execute"


async def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_key_is_sent(
    tmp_path: Path, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(self_signed())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with faulty_server([answer(("stdout", "sealed"))], tls=context) as service:
        url = service.base_url.replace("http:", "https:").replace("127.0.0.1", "localhost")
        with pytest.raises(errors.ConnectionFailed, match=r"certificate"):
            await make_client(url).execute("pass")
        assert service.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        ran = await make_client(url).execute("pass")
        assert ran.outputs[0].data == "sealed"


async def test_listing_is_the_word_of_the_service(service: FaultyServer, client: TCIClient) -> None:
    service.listed = listing()
    assert await client.sessions() == []


# -- what a service must not do --------------------------------------------------------------------


SECRET = "tgp_v1_0123456789abcdefghijklmnop"


def packed(body: bytes) -> Action:
    return http(200, gzip.compress(body, 9), Content_Encoding="gzip")


async def test_an_answer_that_unpacks_to_too_much_is_given_up(
    service: FaultyServer, make_client: MakeClient
) -> None:
    client = make_client(service.base_url, answer_limit=1_000_000)
    service.play(packed(b" " * 300_000_000 + b"{}"), packed(b'{"data": null, "errors": ["no"]}'))
    tracemalloc.start()
    with pytest.raises(errors.InvalidAnswer, match=r"longer than 1.0 MB.*answer_limit") as caught:
        await client.execute("cell")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.may_have_run
    assert most < 150_000_000
    with pytest.raises(errors.ExecutionRefused):  # the client goes on
        await client.execute("cell")


@pytest.mark.parametrize("status", [200, 401, 500])
async def test_a_key_that_is_repeated_is_not_shown(
    service: FaultyServer, make_client: MakeClient, status: int
) -> None:
    client = make_client(service.base_url, api_key=SECRET)
    said = f"Bearer {SECRET} it was"
    ran = {"session_id": SESSION, "outputs": [{"type": "stdout", "data": said}]}
    body = {"data": ran, "errors": None} if status == 200 else {"error": {"message": said}}
    service.play(http(status, json.dumps(body)))
    if status == 200:
        (output,) = (await client.execute("cell")).outputs
        text = output.data
    else:
        with pytest.raises(errors.ServiceError) as caught:
            await client.execute("cell")
        text = str(caught.value)
    assert SECRET not in text
    assert "Bearer (the API key) it was" in text


async def test_a_short_key_may_be_what_code_prints(
    service: FaultyServer, make_client: MakeClient
) -> None:
    service.play(answer(("stdout", "a key")))
    (output,) = (await make_client(service.base_url, api_key="key").execute("cell")).outputs
    assert output.data == "a key"


async def test_a_password_in_the_address_is_not_shown(make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = make_client(f"http://user:hunter2@127.0.0.1:{port}/v1")
    with pytest.raises(errors.ConnectionFailed) as caught:
        await client.execute("cell")
    assert "hunter2" not in str(caught.value)
    assert f"http://…@127.0.0.1:{port}/v1" in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *("http://127.0.0.1:99999/v1", "http://127.0.0.1:abc/v1", "http://[::1/v1", "abc", ""),
        *("http://127.0.0.1\r\nX: y/v1", "http://a b/v1", "http://xn--a.example\x00/v1"),
        *(f"http://{'a' * 70}.{'é' * 70}/v1", "http:///v1", "ftp://x/v1", "http://\ud800/v1"),
        *("http://user:hunter2@127.0.0.1:99999/v1", "http://127.0.0.1:0/v1"),
    ],
)
async def test_an_address_that_is_none_is_a_clear_error(
    make_client: MakeClient, address: str
) -> None:
    client = make_client("http://127.0.0.1:1/v1")
    client.base_url = address or " "
    with pytest.raises(errors.TCIError, match=r"address|connection to") as caught:
        await client.execute("cell")
    assert not caught.value.may_have_run
    assert "hunter2" not in str(caught.value)


async def test_without_tls_certificates_are_not_looked_for(
    service: FaultyServer, client: TCIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "there-is-none"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "nowhere" / "log"))
    service.play(answer())
    assert (await client.execute("cell")).session_id == SESSION
