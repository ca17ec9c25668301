"""What `install` writes is what Jupyter reads, and `uninstall` takes away that and no more."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from tci_kernel.config.kernelspecs import install, uninstall
from tci_kernel.core.errors import ConfigurationError

LOGOS = ["logo-32x32.png", "logo-64x64.png", "logo-svg.svg"]
SOURCE = Path(__file__).parents[2] / "kernelspec"


@pytest.fixture(autouse=True)
def user_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's Jupyter directory, for these tests an empty one.

    It is also what is meant where nothing is said, so that a test that goes wrong leaves the
    environment that it runs in alone.
    """
    directory = tmp_path / "user"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(directory))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    return directory


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "prefix"


def kernels(prefix: Path) -> Path:
    """Where the kernelspecs below a prefix are."""
    return prefix / "share" / "jupyter" / "kernels"


def spec(directory: Path) -> KernelSpec:
    """A kernelspec as Jupyter reads it."""
    manager = KernelSpecManager(kernel_dirs=[str(directory.parent)])
    found: KernelSpec = manager.get_kernel_spec(directory.name)
    return found


def write_foreign(directory: Path, argv: Any) -> Path:
    """Write a kernelspec that is not of tci-kernel."""
    directory.mkdir(parents=True)
    (directory / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "R"}))
    return directory


# --------------------------------------------------------------------------------------------
# Installing


def test_both_kernels_are_written_for_this_interpreter(prefix: Path) -> None:
    directories = install(prefix=str(prefix))

    assert directories == [kernels(prefix) / "tci", kernels(prefix) / "tci-local"]
    command = [sys.executable, "-P", "-m", "tci_kernel", "-f", "{connection_file}"]
    assert Path(sys.executable).is_absolute()
    assert spec(directories[0]).argv == command
    assert spec(directories[1]).argv == [*command, "--local"]


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_kernels_say_what_they_can_do(prefix: Path, name: str) -> None:
    install(prefix=str(prefix))

    written = spec(kernels(prefix) / name)

    assert written.language == "python"
    # A signal would reach the kernel's own process group; the cell runs elsewhere.
    assert written.interrupt_mode == "message"
    assert written.metadata["supported_encryption"] == ["curve"]
    assert written.metadata["debugger"] is True


def test_kernels_have_names_that_tell_them_apart(prefix: Path) -> None:
    remote, local = install(prefix=str(prefix))

    assert spec(remote).display_name == "Python (TCI)"
    assert spec(local).display_name == "Python (TCI, local)"


@pytest.mark.parametrize("name", ["tci", "tci-local"])
def test_logos_are_copied(prefix: Path, name: str) -> None:
    install(prefix=str(prefix))

    assert sorted(path.name for path in (kernels(prefix) / name).iterdir()) == [
        "kernel.json",
        *LOGOS,
    ]
    for logo in LOGOS:
        copied = (kernels(prefix) / name / logo).read_bytes()
        assert copied == (SOURCE / name / logo).read_bytes()


def test_name_and_display_name_are_given_to_both(prefix: Path) -> None:
    remote, local = install(prefix=str(prefix), name="Work_1.x", display_name="Arbeit \u2713")

    # Jupyter looks names up in lower case.
    assert (remote.name, local.name) == ("work_1.x", "work_1.x-local")
    assert spec(remote).display_name == "Arbeit \u2713"
    assert spec(local).display_name == "Arbeit \u2713 (local)"
    assert spec(local).argv[-1] == "--local"


def test_user_means_the_users_jupyter_directory(user_directory: Path) -> None:
    remote, local = install(user=True)

    assert (remote, local) == (
        user_directory / "kernels" / "tci",
        user_directory / "kernels" / "tci-local",
    )


def test_what_an_earlier_install_wrote_is_replaced(prefix: Path) -> None:
    remote, _ = install(prefix=str(prefix), display_name="Old")
    (remote / "left-over.js").touch()

    install(prefix=str(prefix), display_name="New")

    assert spec(remote).display_name == "New"
    assert not (remote / "left-over.js").exists()


@pytest.mark.parametrize("taken", ["python3", "python3-local"])
def test_kernel_of_somebody_else_is_not_replaced(prefix: Path, taken: str) -> None:
    foreign = write_foreign(kernels(prefix) / taken, ["R", "--slave"])

    with pytest.raises(ConfigurationError, match="--name") as caught:
        install(prefix=str(prefix), name="python3")

    assert str(foreign) in str(caught.value)
    assert spec(foreign).argv == ["R", "--slave"]
    # Nothing is half done.
    assert list(kernels(prefix).iterdir()) == [foreign]


BAD_NAMES = ["", ".", "..", "../tci", "a/b", "/tmp", "a b", "\u00e9", ".a", "-a", "a\n", "a\0"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_name_that_jupyter_or_a_path_would_stumble_over_is_refused(prefix: Path, name: str) -> None:
    other = kernels(prefix).parent / "lab"
    other.mkdir(parents=True)

    for command in (install, uninstall):
        with pytest.raises(ConfigurationError, match="no name for a kernel") as caught:
            command(prefix=str(prefix), name=name)
        assert repr(name) in str(caught.value)

    assert list(kernels(prefix).parent.iterdir()) == [other]


def test_uninstall_by_a_path_leaves_what_is_there(tmp_path: Path) -> None:
    remote, _ = install(prefix=str(tmp_path / "elsewhere"))

    with pytest.raises(ConfigurationError):
        uninstall(user=True, name=str(remote))

    assert (remote / "kernel.json").exists()


@pytest.mark.parametrize("blocked", ["", "share", "share/jupyter/kernels"])
def test_place_that_cannot_be_written_is_named(prefix: Path, blocked: str) -> None:
    # A file in a directory's place stops everybody; missing rights would not stop root.
    file = prefix / blocked
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    with pytest.raises(ConfigurationError, match="Can't install 'tci'") as caught:
        install(prefix=str(prefix))

    assert str(prefix) in str(caught.value)


def test_empty_prefix_does_not_mean_the_whole_system() -> None:
    # What a shell makes of an unset variable.
    for command in (install, uninstall):
        with pytest.raises(ConfigurationError, match="empty"):
            command(prefix="")


# --------------------------------------------------------------------------------------------
# Uninstalling


def test_uninstall_takes_both_away(prefix: Path) -> None:
    foreign = write_foreign(kernels(prefix) / "ir", ["R"])
    written = install(prefix=str(prefix))

    assert uninstall(prefix=str(prefix)) == written

    assert list(kernels(prefix).iterdir()) == [foreign]


def test_uninstall_takes_away_the_kernels_of_a_name_alone(prefix: Path) -> None:
    kept = install(prefix=str(prefix))
    install(prefix=str(prefix), name="work")

    uninstall(prefix=str(prefix), name="Work")

    assert sorted(kernels(prefix).iterdir()) == kept


def test_uninstall_of_the_users_kernels(user_directory: Path, prefix: Path) -> None:
    elsewhere = install(prefix=str(prefix))
    install(user=True)

    uninstall(user=True)

    assert list((user_directory / "kernels").iterdir()) == []
    assert all(directory.exists() for directory in elsewhere)


def test_uninstall_takes_away_what_is_left_of_the_two(prefix: Path) -> None:
    install(prefix=str(prefix))
    uninstall(prefix=str(prefix), name="tci-local")

    assert uninstall(prefix=str(prefix)) == [kernels(prefix) / "tci"]


def test_uninstall_says_where_it_found_nothing(prefix: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        uninstall(prefix=str(prefix), name="absent")

    assert str(caught.value) == (
        f"There is no kernel 'absent' of tci-kernel in {prefix / 'share' / 'jupyter'}."
    )


def test_uninstall_tells_where_there_is_one(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, _ = install(prefix=str(prefix), name="work")
    monkeypatch.setenv("JUPYTER_PATH", str(kernels(prefix).parent))

    with pytest.raises(ConfigurationError, match="There is one in") as caught:
        uninstall(prefix=str(tmp_path / "other"), name="Work")

    assert str(written) in str(caught.value)
    assert written.exists()


def test_uninstall_takes_no_note_of_the_current_directory(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A directory that holds a kernel.json of ours, such as the source of the specs.
    monkeypatch.chdir(SOURCE / "tci")

    with pytest.raises(ConfigurationError) as caught:
        uninstall(prefix=str(prefix), name="absent")

    assert "There is one in" not in str(caught.value)


@pytest.mark.parametrize(
    "argv", [["R", "--slave"], [], None, 7, "python -m tci_kernel", {"tci_kernel": 1}]
)
def test_kernel_of_somebody_else_is_not_removed(prefix: Path, argv: Any) -> None:
    foreign = write_foreign(kernels(prefix) / "tci", argv)

    with pytest.raises(ConfigurationError, match="There is no kernel 'tci' of tci-kernel"):
        uninstall(prefix=str(prefix))

    assert (foreign / "kernel.json").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'"tci_kernel"', b"{}", b"{", b"\xff"])
def test_directory_with_anything_else_in_it_is_not_removed(prefix: Path, content: bytes) -> None:
    directory = kernels(prefix) / "tci"
    directory.mkdir(parents=True)
    (directory / "kernel.json").write_bytes(content)

    with pytest.raises(ConfigurationError, match="There is no kernel 'tci' of tci-kernel"):
        uninstall(prefix=str(prefix))

    assert directory.exists()


def test_link_to_a_kernel_is_removed_and_not_what_it_leads_to(prefix: Path, tmp_path: Path) -> None:
    target, _ = install(prefix=str(tmp_path / "shared"))
    kernels(prefix).mkdir(parents=True)
    link = kernels(prefix) / "tci"
    link.symlink_to(target)

    assert uninstall(prefix=str(prefix)) == [link]

    assert not link.is_symlink()
    assert (target / "kernel.json").exists()
