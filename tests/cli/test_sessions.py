"""`tci-kernel sessions`: what the caller has at the service."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.commands import Commands
from tests.support.faulty import faulty_server, hang_up, http, listing
from tests.support.keyrings import FileKeyring, backend
from tests.support.servers import serving


def test_a_real_service_lists_them(commands: Commands) -> None:
    with serving("--session-lifetime", "3600") as server:
        commands.use(server.base_url, server.token)
        assert commands.run("sessions").stdout == "There are no sessions.\n"
        assert json.loads(commands.run("sessions", "--json").stdout) == []
        assert commands.run("run", "-", given="pass").returncode == 0

        (row,) = json.loads(commands.run("sessions", "--json").stdout)
        head, line = commands.run("sessions").stdout.splitlines()

    assert set(row) == {
        *("id", "execute_count", "started_at", "last_execute_at", "expires_at", "expires_in"),
    }
    assert 3000 < row["expires_in"] <= 3600
    assert head.split() == ["Session", "Started", "Last", "used", "Expires", "in", "Cells", "run"]
    assert line.startswith(row["id"])
    assert line.count(" s ago") == 2
    assert "min" in line
    assert max(len(head), len(line)) < 90
    assert line.endswith(str(row["execute_count"]))


def test_what_the_service_leaves_out_is_not_known(commands: Commands) -> None:
    rows = {"data": {"sessions": [{"id": "ses_1"}]}, "errors": None}
    with faulty_server([]) as service:
        service.listed = http(200, json.dumps(rows))
        commands.use(service.base_url, "key")
        text = commands.run("sessions")
        listed = json.loads(commands.run("sessions", "--json").stdout)

    assert text.returncode == 0
    assert text.stdout.splitlines()[1].count("not known") == 3
    assert listed == [{"id": "ses_1", "execute_count": 0, "expires_in": None}]


@pytest.mark.parametrize(
    "listed",
    [*(http(status, "{}") for status in (401, 402, 404, 429, 500, 503)), http(200, "?"), hang_up()],
)
def test_a_service_that_gives_none_is_a_status(listed: object, commands: Commands) -> None:
    with faulty_server([]) as service:
        service.listed = listed  # type: ignore[assignment]
        commands.use(service.base_url, "key")
        done = commands.run("sessions", "--json")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("tci-kernel: ")
    # It was no code that was sent.
    assert not re.search(r"\b(cells?|code|ran|run|notebook)\b|%tci", done.stderr)


def test_without_a_key_it_says_where_to_put_one(commands: Commands) -> None:
    done = commands.run("sessions")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "tci-kernel: There is no API key for the code interpreter, so nothing was sent.\n"
        "Run 'tci-kernel login', or set the environment variable TOGETHER_API_KEY.\n"
    )


def test_the_key_may_come_from_the_keyring(commands: Commands) -> None:
    path = commands.home / "keyring.json"
    commands.environment |= backend(FileKeyring, path)
    with faulty_server([]) as service:
        service.listed = listing("ses_1")
        commands.use(service.base_url)
        host = service.base_url.split("/")[2]
        path.write_text(json.dumps({f"tci-kernel: {host}/api-key": "from-keyring"}))
        assert commands.run("sessions").returncode == 0
        (request,) = service.requests

    assert request.headers["authorization"] == "Bearer from-keyring"


def test_a_mistake_in_the_configuration_is_no_guess(commands: Commands) -> None:
    path = commands.configure("c.TCIClient.conect_timeout = 5")
    commands.use("http://127.0.0.1:1/v1", "key")

    done = commands.run("sessions")

    assert (done.returncode, done.stdout) == (2, "")
    assert " ".join(done.stderr.split()) == (
        f"tci-kernel: {path}: there is no setting 'TCIClient.conect_timeout'. "
        "Did you mean 'TCIClient.connect_timeout'?"
    )
