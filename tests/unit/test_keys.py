"""The key in a keyring: kept for one service, and nowhere in clear text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as NullKeyring

from tci_kernel.client import keys
from tci_kernel.core.errors import ConfigurationError
from tests.support.keyrings import (
    SECRET,
    FileKeyring,
    LockedKeyring,
    PlaintextKeyring,
    SilentKeyring,
    entries,
)

HERE = "http://127.0.0.1:8321/v1"
THERE = "https://Someone@API.together.xyz/v1"

Use = Callable[[KeyringBackend], None]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "keyring.json"))
    return tmp_path / "keyring.json"


@pytest.fixture
def use(path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    return lambda backend: monkeypatch.setattr(keyring.core, "_keyring_backend", backend)


async def test_each_service_has_a_key_of_its_own(use: Use, path: Path) -> None:
    use(FileKeyring())

    keys.store(HERE, "key-here")
    keys.store(THERE, "key-there")

    assert entries(path) == {
        "tci-kernel: 127.0.0.1:8321/api-key": "key-here",
        "tci-kernel: api.together.xyz/api-key": "key-there",
    }
    assert await keys.find(HERE) == "key-here"
    assert await keys.find("https://api.together.xyz/v2/") == "key-there"
    assert await keys.find("https://api.together.ai/v1") == ""
    assert keys.forget(HERE)
    assert not keys.forget(HERE)
    assert (await keys.find(HERE), await keys.find(THERE)) == ("", "key-there")


@pytest.mark.parametrize("backend", [NoKeyring, NullKeyring, PlaintextKeyring])
async def test_what_keeps_no_key_safe_is_refused(
    backend: type[KeyringBackend], use: Use, path: Path
) -> None:
    use(backend())

    for call in (lambda: keys.store(HERE, SECRET), lambda: keys.load(HERE), keys.name):
        with pytest.raises(ConfigurationError, match="no keyring here that keeps a key safe"):
            call()
    assert await keys.find(HERE) == ""
    assert entries(path) == {}


def test_of_a_chain_the_first_that_is_safe_is_used(
    use: Use, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = [PlaintextKeyring(), FileKeyring()]
    monkeypatch.setattr(ChainerBackend, "backends", chain)
    use(ChainerBackend())

    keys.store(HERE, "key")

    assert keys.name() == FileKeyring.name
    assert keys.load(HERE) == "key"


async def test_a_keyring_that_refuses_is_not_quoted(use: Use) -> None:
    use(LockedKeyring())

    for call in (lambda: keys.store(HERE, SECRET), lambda: keys.load(HERE)):
        with pytest.raises(ConfigurationError, match="KeyringLocked") as caught:
            call()
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
    assert await keys.find(HERE) == ""


@pytest.mark.parametrize("found", [7, b"key", ["key"], None])
async def test_what_a_keyring_gives_that_is_no_text_is_no_key(use: Use, found: object) -> None:
    backend = FileKeyring()
    backend.get_password = lambda *_: found  # type: ignore[method-assign, assignment]
    use(backend)

    assert await keys.find(HERE) == ""


@pytest.mark.parametrize("address", ["http://[::1", "http://x:99999", "abc", "http://a\r\nb/v1"])
async def test_what_is_no_address_has_no_key_and_is_told(use: Use, address: str) -> None:
    use(FileKeyring())

    assert await keys.find(address) == ""
    with pytest.raises(ConfigurationError, match="is not an http:// or https:// URL"):
        keys.store(address, SECRET)


async def test_a_keyring_that_is_silent_is_given_up(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(SilentKeyring())
    monkeypatch.setattr(keys, "PATIENCE", 0.1)

    assert await keys.find(HERE) == ""
    with pytest.raises(TimeoutError):
        await keys.in_time(HERE)


def test_without_the_package_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(ConfigurationError) as caught:
        keys.load(HERE)

    assert f"{sys.executable} -m pip install keyring" in str(caught.value)


def test_a_backend_that_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "absent.Keyring")

    with pytest.raises(ConfigurationError, match=r"can't be found \(ModuleNotFoundError\)"):
        keys.load(HERE)
