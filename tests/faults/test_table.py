"""Each row of the table of failures, really done: what is raised, and what is sent again."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from unittest.mock import ANY

import pytest

from tci_kernel import TCIClient
from tci_kernel.client import failures
from tci_kernel.client.failures import RULES, STATUSES, Again
from tci_kernel.core import errors
from tci_kernel.core.cell import Cell
from tci_kernel.core.messages import Message, error, stream
from tci_kernel.session.session import RemoteSession
from tests.faults.conftest import MakeSession
from tests.support.certificates import self_signed
from tests.support.faulty import (
    SESSION,
    Action,
    FaultyServer,
    answer,
    faulty_server,
    hang_up,
    http,
    raw,
    stall,
)

REASON = json.dumps({"error": {"message": "because", "type": "x", "param": None, "code": None}})


async def run(session: RemoteSession, code: str = "pass") -> list[Message]:
    messages = [message async for message in session.run(Cell(code))]
    assert messages.pop().type == "execute_reply"
    return messages


async def begun(session: RemoteSession, service: FaultyServer) -> RemoteSession:
    """The session after one good cell, with nothing counted yet."""
    service.play(answer())
    await run(session)
    assert session.id == SESSION
    service.requests.clear()
    return session


@pytest.mark.parametrize("status", [*STATUSES, 301, 418, 599])
async def test_a_status_is_raised_as_its_row_says_and_the_session_is_kept(
    service: FaultyServer, make_session: MakeSession, status: int
) -> None:
    session = await begun(make_session(service.base_url, retry_for=0.0), service)
    service.play(http(status, REASON), answer(("stdout", "on")))
    with pytest.raises(errors.ServiceError, match=rf"HTTP {status} \(.*\): because") as caught:
        await run(session)
    rule = STATUSES.get(status)
    if rule is not None:
        assert type(caught.value) is rule.error
        assert caught.value.may_have_run is rule.may_have_run
    assert ("may have run" in str(caught.value)) is caught.value.may_have_run
    assert len(service.executions) == 1
    assert session.id == SESSION
    assert await run(session) == [stream("stdout", "on")]
    assert service.executions[1].json()["session_id"] == SESSION


@pytest.mark.parametrize(
    "status", [status for status, rule in STATUSES.items() if rule.again is not Again.ALWAYS]
)
async def test_a_status_that_says_nothing_of_it_is_never_sent_again(
    service: FaultyServer, make_session: MakeSession, status: int
) -> None:
    session = await begun(make_session(service.base_url), service)
    headers = {} if STATUSES[status].again is Again.IF_TOLD else {"Retry_After_Ms": "1"}
    service.play(http(status, REASON, **headers), answer())
    with pytest.raises(errors.ServiceError):
        await run(session)
    assert len(service.executions) == 1


def in_two_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, dict),
        (429, lambda: {"Retry_After": "0"}),
        (429, lambda: {"Retry_After_Ms": "20"}),
        (429, lambda: {"Retry_After": in_two_seconds()}),
        (429, lambda: {"Retry_After": "soon", "Retry_After_Ms": "soon"}),
        (503, lambda: {"Retry_After": "0.1"}),
    ],
)
async def test_what_surely_did_not_run_is_sent_again(
    service: FaultyServer,
    make_session: MakeSession,
    status: int,
    headers: Callable[[], dict[str, str]],
) -> None:
    session = await begun(make_session(service.base_url), service)
    service.play(http(status, REASON, **headers()), answer(("stdout", "at last")))
    assert await run(session, "once") == [stream("stdout", "at last")]
    assert [request.json()["code"] for request in service.executions] == ["once", "once"]


async def test_a_wait_that_is_too_long_fails_at_once(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = await begun(make_session(service.base_url, retry_for=5.0), service)
    service.play(http(429, REASON, Retry_After="3600"))
    with pytest.raises(errors.RateLimited, match="did not run"):
        await run(session)
    assert len(service.executions) == 1


def body_of(data: object) -> Action:
    return http(200, json.dumps({"data": data, "errors": None}))


UNREADABLE = {
    "empty": http(200, b""),
    "html": http(200, "<html><body>Gateway</body></html>", Content_Type="text/html"),
    "cut off": http(200, b'{"data": {"session_id": "ses'),
    "not UTF-8": http(200, b"\xff\xfe\x00{"),
    "not JSON": http(200, b"{'data': 1}"),
    "an array": http(200, b"[1]"),
    "no data": http(200, b"{}"),
    "data is text": body_of("text"),
    "data is a list": body_of([]),
    "no outputs": body_of({"session_id": SESSION}),
    "outputs are text": body_of({"session_id": SESSION, "outputs": "text"}),
    "too deep": http(200, b'{"data":' * 100_000),
    "shorter than said": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}}}}"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_a_body_that_cannot_be_read_may_have_run(
    service: FaultyServer, make_session: MakeSession, kind: str
) -> None:
    session = await begun(make_session(service.base_url), service)
    service.play(UNREADABLE[kind], answer(("stdout", "on")))
    with pytest.raises(errors.InvalidAnswer, match="may have run") as caught:
        await run(session)
    assert "The session is kept" in str(caught.value)
    assert len(service.executions) == 1
    assert await run(session) == [stream("stdout", "on")]
    assert service.executions[1].json()["session_id"] == SESSION


LOST = {
    "before a byte": hang_up(),
    "in the headers": hang_up(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "in the body": hang_up(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
    "in a chunk": hang_up(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"),
    "not HTTP": raw(b"this is not HTTP\r\n\r\n"),
}


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_connection_may_have_run(
    service: FaultyServer, make_session: MakeSession, kind: str
) -> None:
    session = await begun(make_session(service.base_url), service)
    service.play(LOST[kind], answer())
    with pytest.raises(errors.ConnectionLost, match="may have run") as caught:
        await run(session)
    assert "The session is kept" in str(caught.value)
    assert len(service.executions) == 1
    await run(session)
    assert service.executions[1].json()["session_id"] == SESSION


@pytest.mark.parametrize(
    ("limit", "error"),
    [("read_timeout", errors.ReadTimeout), ("cell_timeout", errors.CellTimeout)],
)
async def test_a_timeout_that_was_asked_for_may_have_run(
    service: FaultyServer, client: TCIClient, limit: str, error: type[errors.TCIError]
) -> None:
    go = threading.Event()
    session = await begun(RemoteSession(client, use_helper=False), service)
    limited = client if limit == "read_timeout" else session
    service.play(stall(go), answer())
    setattr(limited, limit, 0.2)
    with pytest.raises(error, match="may have run, and may still be running"):
        await run(session)
    setattr(limited, limit, None)
    assert len(service.executions) == 1
    go.set()
    await run(session)
    assert service.executions[1].json()["session_id"] == SESSION
    await session.aclose()


@pytest.mark.parametrize("reasons", [["gone"], [{"message": "gone"}], "gone", {"message": "gone"}])
async def test_null_data_did_not_run(
    service: FaultyServer, make_session: MakeSession, reasons: object
) -> None:
    session = await begun(make_session(service.base_url), service)
    service.play(http(200, json.dumps({"data": None, "errors": reasons})))
    with pytest.raises(errors.ExecutionRefused, match="gone\nThe code did not run"):
        await run(session)
    assert len(service.executions) == 1
    assert session.id == SESSION


@asynccontextmanager
async def full_backlog() -> AsyncIterator[str]:
    """An address whose queue of connections is full, so that another one waits for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(8):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for one in waiting:
            one.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def test_no_connection_did_not_run(make_session: MakeSession) -> None:
    for url in ("http://no-such-host.invalid/v1", f"http://127.0.0.1:{closed_port()}/v1"):
        with pytest.raises(errors.ConnectionFailed, match="did not run"):
            await run(make_session(url, retry_for=0.0))
    async with full_backlog() as url:
        with pytest.raises(errors.ConnectionFailed, match="in time"):
            await run(make_session(url, {"connect_timeout": 0.2}, retry_for=0.0))


async def test_a_connection_that_comes_late_is_tried_again(make_session: MakeSession) -> None:
    port = closed_port()
    session = make_session(f"http://127.0.0.1:{port}/v1")
    begin = threading.Event()

    def serve_late() -> None:
        begin.wait(0.8)
        with faulty_server([answer(("stdout", "up"))], port=port):
            begin.wait(30)

    late = threading.Thread(target=serve_late)
    late.start()
    try:
        assert await run(session) == [stream("stdout", "up")]
    finally:
        begin.set()
        late.join()


async def test_tls_that_fails_is_not_tried_again(tmp_path: Path, make_session: MakeSession) -> None:
    (tmp_path / "certificate.pem").write_bytes(self_signed())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "certificate.pem")
    connections = []
    context.sni_callback = lambda *arguments: connections.append(arguments)
    with faulty_server([answer()], tls=context) as service:
        url = service.base_url.replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(errors.TLSFailed, match="SSL_CERT_FILE"):
            await run(make_session(url))
        assert len(connections) == 1
        assert service.requests == []


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ({"type": "html_report", "data": "kept"}, [stream("stdout", "kept")]),
        ({"data": "kept"}, [stream("stdout", "kept")]),
        ("kept", [stream("stdout", "kept")]),
        ({"type": "stdout"}, [stream("stdout", "")]),
        ({"type": "display_data"}, [stream("stdout", "")]),
        ({"type": "error"}, [error("Error", ANY, [ANY])]),
        ({"type": "stderr", "data": {"a": 1}}, [stream("stderr", '{"a": 1}')]),
    ],
)
async def test_what_can_be_read_of_an_odd_output_is_shown(
    service: FaultyServer, make_session: MakeSession, item: object, shown: list[Message]
) -> None:
    service.play(answer(("stdout", "before"), item, ("stdout", "after")))
    events = await run(make_session(service.base_url))
    assert events == [stream("stdout", "before"), *shown, stream("stdout", "after")]


async def test_errors_beside_data_fail_the_cell_after_its_outputs(
    service: FaultyServer, make_session: MakeSession
) -> None:
    outputs = {"session_id": SESSION, "outputs": [{"type": "stdout", "data": "seen"}]}
    service.play(http(200, json.dumps({"data": outputs, "errors": [{"message": "odd"}]})))
    events = await run(make_session(service.base_url))
    assert events == [stream("stdout", "seen"), error("ServiceError", "odd", [ANY])]


async def test_a_first_cell_whose_session_is_unknown_says_so(
    service: FaultyServer, make_session: MakeSession
) -> None:
    session = make_session(service.base_url)
    service.play(hang_up(), answer())
    with pytest.raises(errors.ConnectionLost, match="what runs next begins another"):
        await run(session)
    service.play(answer(session_id=""))
    (failure,) = await run(session)
    assert failure.type == "error"
    assert "named no session" in failure.content["evalue"]


def test_every_row_has_a_test_and_stands_in_the_documents() -> None:
    document = Path(__file__).parents[2].joinpath("docs", "failures.md").read_text()
    assert failures.table() in document, "run `make docs`"
    # The rows beside the statuses, which are parametrized above, each by the test that does it.
    assert set(RULES) == {
        *("dns", "connect", "connect timeout", "tls", "lost"),
        *("read timeout", "cell timeout", "body", "null"),
    }
    assert re.search(r"\| `429` rate limited \| yes", document)
