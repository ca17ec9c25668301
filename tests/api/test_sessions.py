"""Sessions of scripts: what is sent to a service and what is not, and how they begin and end."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tci_kernel import Client
from tci_kernel.core.errors import (
    ConfigurationError,
    FileError,
    MissingKey,
    OutOfCredit,
    ServiceError,
    SessionExpired,
    UsageError,
)
from tests.support.counting import CountingProxy, counted
from tests.support.faulty import SESSION, FaultyServer, answer, faulty_server, http, listing
from tests.support.servers import ServerProcess
from tests.support.waiting import until

DIRECT = {"TCIKernel.execution": "direct", "RemoteSession.use_helper": False}


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    """A service that answers by script."""
    with faulty_server([answer(("stdout", "ran\n"))]) as server:
        yield server


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[CountingProxy]:
    with counted(server.base_url) as counting:
        yield counting


def at(base_url: str, api_key: str = "key", **settings: object) -> Client:
    return Client(base_url=base_url, api_key=api_key, settings={**DIRECT, **settings})


def test_nothing_is_sent_before_something_is_asked_for(service: FaultyServer) -> None:
    with at(service.base_url) as client, client.session() as new, client.session("ses_1") as joined:
        assert (new.id, joined.id) == ("", "ses_1")
        new.execute("print(1)")  # its events are not asked for
        for ask in (new.files, lambda: new.download("a.txt"), lambda: new.remove("a.txt")):
            with pytest.raises(FileError, match=r"There is no session yet"):
                ask()
    assert service.requests == []


def test_sessions_are_listed_and_none_begins(service: FaultyServer) -> None:
    with at(service.base_url) as client:
        assert [info.id for info in client.sessions()] == [SESSION]
    assert [request.method for request in service.requests] == ["GET"]


def test_a_session_begins_once_and_is_left_where_the_service_ends_none(
    service: FaultyServer,
) -> None:
    with at(service.base_url) as client, client.session() as session:
        assert session.run("1").stdout == "ran\n"
        assert session.id == SESSION
        session.run("2")
    sent = [request.json() for request in service.executions]
    assert [one.get("session_id") for one in sent] == [None, SESSION]
    assert [one["code"] for one in sent] == ["1", "2"]
    assert "DELETE" not in [request.method for request in service.requests]


@pytest.mark.parametrize(("keep", "ends"), [(False, 1), (True, 0)])
def test_a_session_that_began_here_ends_unless_it_is_kept(
    keep: bool, ends: int, proxy: CountingProxy, server: ServerProcess
) -> None:
    with (
        Client(base_url=proxy.base_url, api_key=server.token) as client,
        client.session(keep=keep) as session,
    ):
        session.run("x = 6 * 7").raise_for_error()
    assert [method for method, _ in proxy.taken()].count("DELETE") == ends
    with Client(base_url=proxy.base_url, api_key=server.token) as client:
        listed = [info.id for info in client.sessions()]
        assert (session.id in listed) is keep


def test_a_session_that_was_joined_goes_on(proxy: CountingProxy, server: ServerProcess) -> None:
    with Client(base_url=proxy.base_url, api_key=server.token) as client:
        with client.session() as first:
            first.run("x = 6 * 7").raise_for_error()
            with client.session(first.id) as second:
                assert second.run("print(x)").stdout == "42\n"
            assert [method for method, _ in proxy.taken()].count("DELETE") == 0
            assert first.run("print(x + 1)").stdout == "43\n"
        assert first.id not in [info.id for info in client.sessions()]


def test_sessions_run_beside_each_other(client: Client, tmp_path: Path) -> None:
    # Each waits for the other's file: one after the other they would never end.
    code = (
        "import pathlib, time\n"
        "pathlib.Path({mine!r}).touch()\n"
        "while not pathlib.Path({other!r}).exists():\n    time.sleep(0.01)\n"
        "print('both')"
    )
    names = [str(tmp_path / "a"), str(tmp_path / "b")]
    printed: list[str] = []

    def run(mine: str, other: str) -> None:
        with client.session() as session:
            printed.append(session.run(code.format(mine=mine, other=other)).stdout)

    threads = [threading.Thread(target=run, args=pair) for pair in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert printed == ["both\n", "both\n"]


@pytest.mark.parametrize(
    ("status", "kind", "may_have_run"), [(402, OutOfCredit, False), (500, ServiceError, True)]
)
def test_a_service_that_fails_is_an_exception(
    status: int, kind: type[ServiceError], may_have_run: bool, service: FaultyServer
) -> None:
    service.play(http(status, "{}"), answer(("stdout", "ran\n")))
    with at(service.base_url) as client, client.session() as session:
        with pytest.raises(kind) as caught:
            session.run("1")
        assert session.run("2").stdout == "ran\n"  # the session is idle again
    assert caught.value.may_have_run is may_have_run
    assert len(service.executions) == 2


def test_a_session_that_is_gone_says_so_and_the_next_run_begins_another(
    service: FaultyServer,
) -> None:
    service.play(http(404, "{}"), answer(("stdout", "ran\n")))
    service.listed = listing()
    with at(service.base_url) as client, client.session("ses_gone") as session:
        with pytest.raises(SessionExpired, match=r"What is run next begins a new session") as found:
            session.run("1")
        assert "%tci" not in str(found.value)
        assert session.run("2").stdout == "ran\n"
    assert "session_id" not in service.executions[-1].json()


def test_a_session_that_ends_soon_says_nothing_among_the_outputs(service: FaultyServer) -> None:
    service.listed = listing(SESSION, expires_at="2020-01-01T00:00:00+00:00")
    with at(service.base_url) as client, client.session() as session:
        for _ in range(3):
            result = session.run("1")
            assert (result.stdout, result.stderr) == ("ran\n", "")


def test_without_a_key_nothing_is_sent_and_it_says_what_to_do(service: FaultyServer) -> None:
    with Client(base_url=service.base_url) as client, client.session() as session:
        for ask in (client.sessions, lambda: session.run("1"), lambda: session.upload(__file__)):
            with pytest.raises(MissingKey, match=r"give an `api_key`"):
                ask()
    assert service.requests == []


def test_the_configuration_and_the_environment_count(
    service: FaultyServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / ".jupyter" / "tci_kernel_config.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"c.TCIClient.base_url = {service.base_url!r}\n")
    monkeypatch.setenv("TOGETHER_API_KEY", "from-the-environment")
    try:
        with Client() as client:
            client.sessions()
        with Client(api_key="given") as client:
            client.sessions()
    finally:
        path.unlink()
    sent = [request.headers["authorization"] for request in service.requests]
    assert sent == ["Bearer from-the-environment", "Bearer given"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"settings": {"RemoteSession.retry_fro": 1}}, "there is no setting 'RemoteSession.retry"),
        ({"settings": {"retry_for": 1}}, "Did you mean 'RemoteSession.retry_for'"),
        ({"settings": {"RemoteSession.retry_for": -1}}, "retry_for"),
        ({"local": True, "api_key": "key"}, "give neither `base_url` nor `api_key`"),
        ({"local": True, "base_url": "http://x"}, "give neither `base_url` nor `api_key`"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Client(**arguments)  # type: ignore[arg-type]


def test_a_client_that_is_closed_says_so(service: FaultyServer) -> None:
    with at(service.base_url) as client:
        session = client.session()
    client.close()
    session.close()
    for ask in (client.sessions, lambda: session.run("1"), session.files):
        with pytest.raises(UsageError, match=r"The client is closed"):
            ask()
    assert service.requests == []


def test_a_client_that_is_forgotten_is_closed(proxy: CountingProxy, server: ServerProcess) -> None:
    before = threading.active_count()
    session = Client(base_url=proxy.base_url, api_key=server.token).session()
    gc.collect()
    session.run("pass").raise_for_error()  # it lives as long as its sessions
    del session
    gc.collect()

    until(lambda: threading.active_count() <= before, "its thread has ended")
    assert [method for method, _ in proxy.taken()].count("DELETE") == 1
