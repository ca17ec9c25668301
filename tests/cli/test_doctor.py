"""`tci-kernel doctor`: each check, when it is fine and when it is not."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from tests.cli.commands import Commands
from tests.support.certificates import self_signed
from tests.support.faulty import FaultyServer, answer, faulty_server, http, listing
from tests.support.keyrings import SECRET, FileKeyring, backend
from tests.support.servers import ServerProcess

NAMES = [
    *("Python", "packages", "configuration", "kernelspecs", "key"),
    *("name resolution", "TLS", "service", "session", "tci-local"),
]
REMOTE = ("name resolution", "TLS", "service", "session")

Checks = dict[str, dict[str, str]]


def examine(commands: Commands, *options: str, status: int) -> Checks:
    done = commands.run("doctor", "--json", *options)
    assert (done.returncode, done.stderr) == (status, "")
    assert SECRET not in done.stdout
    rows = json.loads(done.stdout)
    assert [row["name"] for row in rows] == NAMES
    return {row.pop("name"): row for row in rows}


def test_without_a_key_it_proves_that_the_local_kernel_works(commands: Commands) -> None:
    checks = examine(commands, status=0)

    assert checks["key"]["status"] == "skipped"
    assert "tci-kernel login" in checks["key"]["advice"]
    assert "tci-local needs no key" in checks["key"]["advice"]
    assert {checks[name]["status"] for name in REMOTE} == {"skipped"}
    assert checks["tci-local"]["status"] == "ok"
    assert "a cell ran in " in checks["tci-local"]["detail"]

    lines = commands.run("doctor").stdout.splitlines()
    words = [word for line in lines for word in line.split()]
    assert max(map(len, lines)) < max(90, 26 + 1 + max(map(len, words)))
    assert [line[:7].rstrip() for line in lines if not line.startswith(" ")] == [
        checks[name]["status"] for name in NAMES
    ]


def test_a_local_kernel_that_does_not_work_is_a_failure(commands: Commands) -> None:
    commands.configure("c.LocalServer.kernel_name = 'absent'")

    checks = examine(commands, status=1)

    assert checks["tci-local"]["status"] == "failed"
    assert "There is no kernel 'absent'" in checks["tci-local"]["detail"]


def test_a_service_that_answers_is_fine_and_costs_nothing(
    commands: Commands, server: ServerProcess
) -> None:
    commands.use(server.base_url, server.token)

    checks = examine(commands, status=0)

    assert checks["key"]["detail"] == "from: environment variable TOGETHER_API_KEY"
    assert checks["name resolution"]["detail"] == "127.0.0.1: 127.0.0.1"
    assert checks["TLS"]["status"] == "skipped"
    assert f"{server.base_url} answers in " in checks["service"]["detail"]
    assert checks["session"]["status"] == "skipped"
    assert "--execute" in checks["session"]["advice"]
    assert checks["tci-local"]["status"] == "skipped"

    checks = examine(commands, "--execute", status=0)
    assert "a cell ran in " in checks["session"]["detail"]


def test_only_execute_asks_to_run_code(commands: Commands) -> None:
    with faulty_server([answer(("stdout", "43\n"))]) as service:
        commands.use(service.base_url, SECRET)
        examine(commands, status=0)
        assert service.executions == []

        checks = examine(commands, "--execute", status=1)

    assert service.executions
    assert checks["session"]["status"] == "failed"
    assert "printed '43\\n'" in checks["session"]["detail"]


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "Check the key"), (403, "may not use"), (404, "address")]
)
def test_a_service_that_refuses_says_what_to_do(
    status: int, advice: str, commands: Commands
) -> None:
    with faulty_server([]) as service:
        service.listed = http(status, "{}")
        commands.use(service.base_url, SECRET)
        checks = examine(commands, "--execute", status=1)

    assert checks["service"]["status"] == "failed"
    assert f"HTTP {status}" in checks["service"]["detail"]
    assert advice in checks["service"]["advice"]
    assert checks["session"]["status"] == "skipped"


def test_a_name_that_nobody_knows_ends_the_way(commands: Commands) -> None:
    commands.use("https://service.invalid/v1", SECRET)

    checks = examine(commands, status=1)

    assert checks["name resolution"]["status"] == "failed"
    assert "service.invalid" in checks["name resolution"]["detail"]
    assert "Check the network" in checks["name resolution"]["advice"]
    assert {checks[name]["status"] for name in REMOTE[1:]} == {"skipped"}


def tls_server(directory: Path) -> ssl.SSLContext:
    pem = directory / "server.pem"
    pem.write_bytes(self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def secure(service: FaultyServer) -> str:
    return service.base_url.replace("http://127.0.0.1", "https://localhost")


def test_tls_is_checked_by_itself(commands: Commands) -> None:
    with faulty_server([], tls_server(commands.home)) as service:
        service.listed = listing()
        commands.use(secure(service), SECRET)
        commands.environment["SSL_CERT_FILE"] = str(commands.home / "server.pem")
        checks = examine(commands, status=0)
        assert checks["TLS"]["detail"].startswith("TLSv1.3 with localhost:")
        assert checks["service"]["status"] == "ok"

        del commands.environment["SSL_CERT_FILE"]
        checks = examine(commands, status=1)
        assert checks["TLS"]["status"] == "failed"
        assert "can't prove who it is" in checks["TLS"]["detail"]
        assert "SSL_CERT_FILE" in checks["TLS"]["advice"]
        assert checks["service"]["status"] == "skipped"


def test_a_service_that_is_down_is_found_at_the_connection(commands: Commands) -> None:
    for url, name in (("https://127.0.0.1:1/v1", "TLS"), ("http://127.0.0.1:1/v1", "service")):
        commands.use(url, SECRET)
        assert examine(commands, status=1)[name]["status"] == "failed"


def test_a_proxy_is_what_is_looked_for(commands: Commands) -> None:
    commands.use("https://service.invalid/v1", SECRET)
    commands.environment["HTTPS_PROXY"] = "http://127.0.0.1:1"

    checks = examine(commands, status=1)

    assert checks["name resolution"]["detail"] == "127.0.0.1: 127.0.0.1 (a proxy)"
    assert checks["TLS"]["status"] == "skipped"
    assert checks["service"]["status"] == "failed"


def test_the_key_of_the_keyring_is_used(commands: Commands) -> None:
    path = commands.home / "keyring.json"
    with faulty_server([]) as service:
        commands.use(service.base_url)
        commands.environment |= backend(FileKeyring, path)
        host = service.base_url.split("/")[2]
        path.write_text(json.dumps({f"tci-kernel: {host}/api-key": SECRET}))
        checks = examine(commands, status=0)

    assert checks["key"]["detail"] == "from: keyring (a file for tests)"
    assert checks["service"]["status"] == "ok"


def test_mistakes_in_the_configuration_are_listed(commands: Commands) -> None:
    path = commands.configure("c.TCIClient.conect_timeout = 5\nc.TCIClient.read_timeout = -1\n")

    checks = examine(commands, status=1)

    assert checks["configuration"]["status"] == "failed"
    said = checks["configuration"]["detail"] + checks["configuration"]["advice"]
    assert said.count(str(path)) == 2
    assert "Did you mean 'TCIClient.connect_timeout'?" in said


def test_kernelspecs_are_looked_into(commands: Commands) -> None:
    kernels = commands.home / ".local" / "share" / "jupyter" / "kernels"
    assert commands.run("install", "--user", "--name", "mine").returncode == 0
    assert str(kernels / "mine") in examine(commands, status=0)["kernelspecs"]["detail"]

    spec = json.loads((kernels / "mine" / "kernel.json").read_text())
    spec["argv"][0] = "/gone/python"
    (kernels / "mine" / "kernel.json").write_text(json.dumps(spec))
    (kernels / "mine-local" / "logo-64x64.png").unlink()
    checks = examine(commands, status=1)

    assert checks["kernelspecs"]["status"] == "failed"
    assert checks["kernelspecs"]["detail"] == (
        "mine: /gone/python does not exist; mine-local: logo-64x64.png is missing"
    )
    assert "tci-kernel install" in checks["kernelspecs"]["advice"]
