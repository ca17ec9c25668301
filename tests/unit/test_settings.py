"""The settings: their layers, what is wrong with them, what is in force."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
from traitlets.config import Config
from traitlets.config.loader import DeferredConfigString

from tci_kernel.cli.common import CATALOGUE
from tci_kernel.client.client import DEFAULT_BASE_URL
from tci_kernel.config.configfile import default_text
from tci_kernel.config.settings import COMMAND_LINE, Layer, Setting, Settings
from tci_kernel.core.errors import ConfigurationError

SECRET = "sk-very-secret"


@pytest.fixture(autouse=True)
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A strong and a weak directory of Jupyter's path, and nothing set in the environment."""
    strong, weak = tmp_path / "strong", tmp_path / "weak"
    strong.mkdir()
    weak.mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(strong))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(weak))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    for name in ("TOGETHER_BASE_URL", "TOGETHER_API_KEY", "TCI_SESSION_ID"):
        monkeypatch.delenv(name, raising=False)
    return strong, weak


def write(directory: Path, text: str, ending: str = ".py") -> Path:
    path = directory / f"tci_kernel_config{ending}"
    path.write_text(dedent(text))
    return path


def command_line(name: str, value: str) -> Layer:
    section, trait = name.split(".")
    config = Config({section: {trait: DeferredConfigString(value)}})
    return Layer(COMMAND_LINE, config)


def in_force(layers: list[Layer]) -> list[Setting]:
    return Settings(CATALOGUE, layers).in_force()


def named(layers: list[Layer], name: str) -> Setting:
    (found,) = [setting for setting in in_force(layers) if setting.name == name]
    return found


def read(name: str) -> Setting:
    layers, problems = CATALOGUE.read_files()
    assert problems == []
    return named(layers, name)


# --------------------------------------------------------------------------------------------
# Where a value comes from


def test_nothing_set_is_the_default() -> None:
    assert read("TCIClient.base_url") == Setting(
        "TCIClient.base_url",
        DEFAULT_BASE_URL,
        DEFAULT_BASE_URL,
        "default",
        "Where the service is, with its version path.",
    )


def test_command_line_beats_files_beat_the_environment(
    directories: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    strong, weak = directories
    name = "TCIClient.base_url"

    monkeypatch.setenv("TOGETHER_BASE_URL", "http://environment/v1")
    found = read(name)
    assert (found.value, found.source) == (
        "http://environment/v1",
        "environment variable TOGETHER_BASE_URL",
    )
    path = write(weak, "c.TCIClient.base_url = 'http://weak/v1'")
    found = read(name)
    assert (found.value, found.source) == ("http://weak/v1", str(path))
    path = write(strong, "c.TCIClient.base_url = 'http://strong/v1'")
    found = read(name)
    assert (found.value, found.source) == ("http://strong/v1", str(path))
    layers = [*CATALOGUE.read_files()[0], command_line(name, "http://command/v1")]
    found = named(layers, name)
    assert (found.value, found.source) == ("http://command/v1", "command line")
    assert found.default == DEFAULT_BASE_URL


def test_empty_environment_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_BASE_URL", "")

    assert read("TCIClient.base_url").source == "default"


def test_json_beats_python_in_one_directory(directories: tuple[Path, Path]) -> None:
    write(directories[0], "c.RemoteSession.retry_for = 1")
    path = write(directories[0], '{"RemoteSession": {"retry_for": 2}}', ".json")

    found = read("RemoteSession.retry_for")

    assert (found.value, found.source) == (2, str(path))


def test_value_of_the_command_line_has_the_type_of_its_setting() -> None:
    layers = [command_line("RemoteSession.cell_timeout", "30")]

    assert named(layers, "RemoteSession.cell_timeout").value == 30.0


@pytest.mark.parametrize("place", ["file", "environment", "command line"])
def test_a_key_is_never_shown(
    place: str, directories: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = []
    if place == "file":
        write(directories[0], f"c.TCIClient.api_key = {SECRET!r}")
        layers = CATALOGUE.read_files()[0]
    elif place == "environment":
        monkeypatch.setenv("TOGETHER_API_KEY", SECRET)
    else:
        layers = [command_line("TCIClient.api_key", SECRET)]

    assert named(layers, "TCIClient.api_key").value == "set"
    assert SECRET not in repr(in_force(layers))


def test_a_password_in_an_address_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    address, shown = "http://user:hunter2@host:8/v1", "http://…@host:8/v1"
    assert named([command_line("TCIClient.base_url", address)], "TCIClient.base_url").value == shown
    monkeypatch.setenv("TOGETHER_BASE_URL", address)
    assert named([], "TCIClient.base_url").value == shown


def test_every_setting_says_what_it_means() -> None:
    found = in_force([])

    assert {setting.name.partition(".")[0] for setting in found} == {
        "TCIKernel",
        "RemoteSession",
        "TCIClient",
        "LocalServer",
    }
    assert all(len(setting.help) > 20 for setting in found)


def test_nothing_is_in_force_where_nothing_can_be_set() -> None:
    assert Settings().in_force() == []


def test_default_file_sets_nothing_and_shows_all(directories: tuple[Path, Path]) -> None:
    write(directories[0], "get_config().TCIKernel.local = True\n")
    text = default_text(CATALOGUE.classes())

    path = write(directories[0], text)
    (layer,), problems = CATALOGUE.read_files()
    assert (problems, layer.source, dict(layer.config)) == ([], str(path), {})
    for setting in in_force([]):
        assert f"\n# c.{setting.name} = " in text
    # Each line works when the sign in front of it is taken away.
    path = write(directories[0], text.replace("\n# c.", "\nc."))
    assert CATALOGUE.read_files()[1] == []
    assert {setting.source for setting in in_force(CATALOGUE.read_files()[0])} == {str(path)}


# --------------------------------------------------------------------------------------------
# What is wrong


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("c.TCIClient.bse_url = 'x'", "'TCIClient.bse_url'. Did you mean 'TCIClient.base_url'?"),
        ("c.TCIClinet.base_url = 'x'", "'TCIClinet.base_url'. Did you mean 'TCIClient.base_url'?"),
        (
            "c.TCIKernel.cell_timeout = 1",
            "'TCIKernel.cell_timeout'. Did you mean 'RemoteSession.cell_timeout'?",
        ),
        ("c.TCIClient.absent = 1", "there is no setting 'TCIClient.absent'."),
        ("c.Absent.nothing = 1", "there is no setting 'Absent.nothing'."),
        ("c.base_url = 'x'", "there is no setting 'base_url'. Did you mean 'TCIClient.base_url'?"),
        ("c.TCIClient.connect_timeout = '5 s'", "expected a number of seconds above 0"),
        ("c.TCIClient.read_timeout = float('nan')", "not the float nan"),
        ("c.TCIClient.read_timeout = float('inf')", "not the float inf"),
        ("c.TCIClient.read_timeout = 0", "above 0, not the int 0"),
        ("c.RemoteSession.on_expiry = 'explode'", "any of ['error', 'replay', 'migrate']"),
        ("c.RemoteSession.retry_for = -1", "should not be less than 0.0"),
        ("c.LocalServer.max_sessions = 0", "should not be less than 1"),
        ("c.TCIKernel.local = 'perhaps'", "expected a boolean"),
        ("c.TCIKernelApp.log_level = 'banana'", "log_level"),
        ("c.TCIKernelApp.TCIClient.connect_timeout = -1", "above 0"),
    ],
)
def test_what_is_wrong_is_said_and_left_out(
    line: str, said: str, directories: tuple[Path, Path]
) -> None:
    path = write(directories[0], f"{line}\nc.RemoteSession.use_helper = False\n")

    (layer,), (problem,) = CATALOGUE.read_files()

    assert problem.startswith(f"{path}: ")
    assert said in problem
    assert dict(layer.config) == {"RemoteSession": {"use_helper": False}}
    with pytest.raises(ConfigurationError, match="tci_kernel_config"):
        CATALOGUE.load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("c.TCIKernel.local = (", "'(' was never closed (line 1)"),
        ("\n1 / 0", "ZeroDivisionError (line 2)"),
        ("import absent", "ModuleNotFoundError (line 1)"),
        ("raise SystemExit('no')", "SystemExit (line 1)"),
        (f"c.TCIClient.api_key = {SECRET.replace('-', '_')}", "NameError (line 1)"),
    ],
)
def test_a_file_that_cannot_be_run_is_left_out(
    text: str, said: str, directories: tuple[Path, Path]
) -> None:
    strong, weak = directories
    path = write(strong, text)
    write(weak, "c.RemoteSession.use_helper = False")

    layers, problems = CATALOGUE.read_files()

    assert problems == [f"{path} can't be read: {said}."]
    assert [dict(layer.config) for layer in layers] == [{"RemoteSession": {"use_helper": False}}]


@pytest.mark.parametrize("text", ["{", "[1]", '{"TCIClient": {"base_url": }}'])
def test_json_that_cannot_be_read_is_left_out(text: str, directories: tuple[Path, Path]) -> None:
    path = write(directories[0], text, ".json")

    layers, (problem,) = CATALOGUE.read_files()

    assert layers == []
    assert problem.startswith(f"{path} can't be read: ")


def test_a_wrong_key_is_not_quoted(directories: tuple[Path, Path]) -> None:
    write(directories[0], json.dumps({"TCIClient": {"api_key": [SECRET]}}), ".json")

    _, (problem,) = CATALOGUE.read_files()

    assert problem.endswith("TCIClient.api_key has a value that is no text.")


@pytest.mark.parametrize(
    "line",
    [
        "c.TCIKernelApp.log_level = 'DEBUG'",
        "c.IPKernelApp.connection_file = 'x'",
        "c.Application.log_level = 10",
        "c.Session.username = 'me'",
        "c.Kernel.stop_on_error_timeout = 0.1",
        "c.TCIClient.read_timeout = None",
        "c.TCIKernelApp.TCIClient.connect_timeout = 3",
        "c.TCIKernelApp.logging_config.update({'a': 1})",
    ],
)
def test_what_the_base_classes_take_is_left_in(line: str, directories: tuple[Path, Path]) -> None:
    write(directories[0], line)

    (layer,), problems = CATALOGUE.read_files()

    assert problems == []
    assert layer.config
