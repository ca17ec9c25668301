"""`tci-kernel login` and `logout`: the key in the keyring, and nowhere else."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend

from tests.cli.commands import COMMAND, Commands
from tests.support.faulty import faulty_server, http
from tests.support.kernels import kernel
from tests.support.keyrings import (
    SECRET,
    FileKeyring,
    LockedKeyring,
    PlaintextKeyring,
    SilentKeyring,
    backend,
    entries,
)
from tests.support.servers import ServerProcess


@pytest.fixture
def path(commands: Commands) -> Path:
    """Where the keyring of the commands keeps its entries."""
    path = commands.home / "keyring.json"
    commands.environment |= backend(FileKeyring, path)
    return path


def test_a_key_from_a_pipe_is_tried_stored_and_used(
    commands: Commands, path: Path, server: ServerProcess
) -> None:
    commands.use(server.base_url)

    done = commands.run("login", given=f"{server.token}\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"The key for {server.base_url} is now in the keyring (a file for tests).\n"
    )
    assert list(entries(path).values()) == [server.token]
    assert commands.run("run", "-", given="print(6 * 7)").stdout == "42\n"

    for expected in ("removed from", "not in"):
        done = commands.run("logout")
        assert done.returncode == 0
        assert f"{expected} the keyring" in done.stdout
    assert entries(path) == {}
    assert commands.run("sessions").returncode == 2


def test_a_key_that_is_typed_is_not_echoed(
    commands: Commands, path: Path, server: ServerProcess
) -> None:
    commands.use(server.base_url)
    ours, theirs = pty.openpty()
    # A session of its own, so that /dev/tty is this terminal and no developer's.
    process = subprocess.Popen(
        [*COMMAND, "login"],
        env=commands.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen = _read_until(ours, b"Together API key: ")
    os.write(ours, f"{server.token}\n".encode())
    screen += _read_until(ours, None)
    os.close(ours)

    assert process.wait(60) == 0
    assert b"is now in the keyring" in screen
    assert server.token.encode() not in screen
    assert list(entries(path).values()) == [server.token]


def _read_until(terminal: int, text: bytes | None) -> bytes:
    """What a terminal shows, up to a text or its end."""
    screen = b""
    while text is None or text not in screen:
        try:
            piece = os.read(terminal, 1024)
        except OSError:  # how Linux says that nobody writes to it any more
            break
        if not piece:
            break
        screen += piece
    return screen


def test_a_key_that_the_service_refuses_is_not_stored(commands: Commands, path: Path) -> None:
    with faulty_server([]) as service:
        service.listed = http(401, "{}")
        commands.use(service.base_url)
        done = commands.run("login", given=SECRET)

    assert (done.returncode, done.stdout) == (3, "")
    assert SECRET not in done.stderr
    assert entries(path) == {}


def test_a_key_that_cannot_be_tried_is_stored(commands: Commands, path: Path) -> None:
    commands.use("http://127.0.0.1:1/v1")

    done = commands.run("login", given=SECRET)

    assert done.returncode == 0
    assert "could not be tried" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert entries(path) == {"tci-kernel: 127.0.0.1:1/api-key": SECRET}


@pytest.mark.parametrize("given", ["", "\n", "two words\n", "sch\u00f6n\n"])
def test_what_is_no_key_is_not_stored(given: str, commands: Commands, path: Path) -> None:
    commands.use("http://127.0.0.1:1/v1")

    done = commands.run("login", given=given)

    assert (done.returncode, done.stdout) == (2, "")
    assert entries(path) == {}


def test_a_key_that_is_used_before_the_keyrings_is_named(commands: Commands, path: Path) -> None:
    commands.use("http://127.0.0.1:1/v1", "another")
    place = "the environment variable TOGETHER_API_KEY"
    before = f"The key in {place} is used before it: remove that.\n"
    assert before in commands.run("login", given=SECRET).stderr
    still = f"A key is still in {place}, and is used: remove it there.\n"
    assert commands.run("logout").stderr == still

    commands.configure(f"c.TCIClient.api_key = {SECRET!r}")
    before = "The key in tci_kernel_config.py is used before it"
    assert before in commands.run("login", given=SECRET).stderr
    assert "still in tci_kernel_config.py, and is used" in commands.run("logout").stderr


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (None, "There is no keyring here that keeps a key safe (found: fail Keyring)."),
        (PlaintextKeyring, "There is no keyring here that keeps a key safe (found: clear text)."),
        (LockedKeyring, "KeyringLocked"),
    ],
)
@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("login", "Set the environment variable TOGETHER_API_KEY instead."),
        ("logout", "No key was removed."),
    ],
)
def test_without_a_keyring_that_can_be_used_it_says_what_to_do(
    command: str,
    advice: str,
    kind: type[KeyringBackend] | None,
    said: str,
    commands: Commands,
) -> None:
    path = commands.home / "keyring.json"
    commands.use("http://127.0.0.1:1/v1")
    if kind is not None:
        commands.environment |= backend(kind, path)

    done = commands.run(command, given=SECRET)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert " ".join(done.stderr.split()).endswith(advice)
    assert SECRET not in done.stderr
    assert entries(path) == {}


# --------------------------------------------------------------------------------------------
# What a kernel does with it


def _environment(commands: Commands, kind: type[KeyringBackend]) -> dict[str, str]:
    path = commands.home / "keyring.json"
    return {"HOME": str(commands.home), **backend(kind, path)}


def test_a_kernel_uses_the_key_of_its_service(commands: Commands, server: ServerProcess) -> None:
    environment = _environment(commands, FileKeyring)
    commands.environment |= environment
    commands.use(server.base_url)
    assert commands.run("login", given=server.token).returncode == 0

    with kernel("tci", TOGETHER_BASE_URL=server.base_url, **environment) as driver:
        assert driver.run("print(6 * 7)").text() == "42\n"
    path = commands.home / "keyring.json"
    kept = path.read_text()
    path.write_text(kept.replace(server.token, SECRET))
    where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
    with kernel("tci", **where, **environment) as driver:  # the environment comes first
        assert driver.run("print(6 * 7)").text() == "42\n"
    path.write_text(kept)
    # The key of one service is not sent to another.
    with kernel("tci", TOGETHER_BASE_URL="http://localhost:1/v1", **environment) as driver:
        assert driver.run("pass").reply["ename"] == "MissingKey"


def test_a_kernel_takes_another_key_from_the_keyring_once_one_is_refused(
    commands: Commands, path: Path, server: ServerProcess
) -> None:
    commands.use(server.base_url)
    host = server.base_url.split("/")[2]
    path.write_text(json.dumps({f"tci-kernel: {host}/api-key": SECRET}))
    environment = _environment(commands, FileKeyring)
    with kernel("tci", TOGETHER_BASE_URL=server.base_url, **environment) as driver:
        refused = driver.run("pass", allow_stdin=True).reply
        assert refused["ename"] == "AuthenticationFailed"
        assert "It is from the keyring: run 'tci-kernel login'" in refused["evalue"]
        assert "It is from the keyring" in commands.run("sessions").stderr

        assert commands.run("login", given=server.token).returncode == 0
        assert driver.run("print(6 * 7)").text() == "42\n"


@pytest.mark.parametrize("kind", [LockedKeyring, PlaintextKeyring])
def test_a_kernel_goes_on_without_a_keyring(
    kind: type[KeyringBackend], commands: Commands, capfd: pytest.CaptureFixture[str]
) -> None:
    with kernel("tci", **_environment(commands, kind)) as driver:
        reply = driver.run("pass").reply

    assert reply["ename"] == "MissingKey"
    assert SECRET not in str(reply) + capfd.readouterr().err


def test_a_wait_for_the_keyring_can_be_interrupted(commands: Commands) -> None:
    with kernel("tci", **_environment(commands, SilentKeyring)) as driver:
        running = driver.client.execute("pass")
        while not (commands.home / "keyring.json").exists():
            assert driver.manager.is_alive()
            time.sleep(0.05)
        driver.interrupt()
        assert driver.finish(running).reply["ename"] == "KeyboardInterrupt"


def test_a_local_kernel_asks_no_keyring(commands: Commands) -> None:
    with kernel("tci-local", **_environment(commands, SilentKeyring)) as driver:
        assert driver.run("print(6 * 7)").text() == "42\n"
    assert not (commands.home / "keyring.json").exists()
