"""The wheel installed: what it brings, and what the command does in an environment of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tci_kernel
from tests.packaging.distributions import ROOT, Distributions, run
from tests.packaging.environments import Environment, KernelIn, environment
from tests.support.environments import UV, index

SPECS = ("tci", "tci-local")


@pytest.fixture(scope="module")
def made(distributions: Distributions) -> Iterator[Environment]:
    """An environment with the wheel."""
    with environment(distributions.wheel) as one:
        yield one


def kernelspecs(made: Environment) -> dict[str, Any]:
    """What `jupyter kernelspec list` gives."""
    listed = json.loads(made.run("jupyter-kernelspec", "list", "--json").stdout)
    specs: dict[str, Any] = listed["kernelspecs"]
    return specs


def kernels(made: Environment) -> Path:
    return made.directory / "share" / "jupyter" / "kernels"


def test_jupyter_finds_the_kernels_that_the_wheel_brings(made: Environment) -> None:
    specs = kernelspecs(made)

    for name in SPECS:
        assert specs[name]["resource_dir"] == str(kernels(made) / name)
        assert specs[name]["spec"]["argv"][:4] == ["python", "-P", "-m", "tci_kernel"]


def test_every_module_can_be_imported(made: Environment) -> None:
    package = ROOT / "tci_kernel"
    paths = {path.relative_to(ROOT).with_suffix("") for path in package.rglob("*.py")}
    modules = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    modules -= {"tci_kernel.__main__", "tci_kernel.server.janitor_process"}
    # These need what the extra `ray` installs.
    needing_ray = ("calls", "cluster", "room", "supply", "workspace")
    modules -= {f"tci_kernel.server.ray.{name}" for name in needing_ray}
    # And these what the extra `files` does.
    modules -= {name for name in modules if name.startswith("tci_kernel.filesystem.")}
    code = f"import {', '.join(sorted(modules))}; print(tci_kernel.__file__)"

    assert made.run("python", "-c", code).stdout.startswith(str(made.directory))


def test_the_command_says_the_version(made: Environment) -> None:
    assert made.run("tci-kernel", "--version").stdout == f"{tci_kernel.__version__}\n"


def test_the_command_serves_the_environment_that_it_is_in(
    made: Environment, kernel_in: KernelIn
) -> None:
    written = [f"{kernels(made) / name}" for name in SPECS]

    said = made.run("tci-kernel", "uninstall", "--sys-prefix").stdout
    assert said.splitlines() == [f"Removed {path}" for path in written]
    assert not set(SPECS) & set(kernelspecs(made))

    # In a virtual environment this is the place that is meant where none is named, too.
    for options in (("--sys-prefix", "--display-name", "Mine"), ()):
        said = made.run("tci-kernel", "install", *options).stdout
        assert said.splitlines() == [f"Installed {path}" for path in written]
    spec = kernelspecs(made)["tci"]["spec"]
    assert spec["argv"][0] == str(made.directory / "bin" / "python")
    assert spec["display_name"] == "Python (TCI)"
    with kernel_in(kernels(made)) as driver:
        prefix = driver.run("import sys; print(sys.prefix)").text()
    assert prefix == f"{made.directory}\n"


def test_doctor_says_how_to_mend_the_environment(made: Environment) -> None:
    here = ("--python", made.directory)
    run(*UV, "pip", "uninstall", *here, "pathspec")
    run(*UV, "pip", "install", *here, "packaging==22.0", environment=index())
    done = made.run("tci-kernel", "doctor", "--json", status=1)

    (failed,) = [check for check in json.loads(done.stdout) if check["status"] == "failed"]
    assert failed["detail"] == "packaging 22.0 is not >=23; pathspec is missing"
    run("bash", "-c", failed["advice"].removeprefix("Run: "), environment=made.variables)
    made.run("tci-kernel", "doctor")


@pytest.mark.parametrize(
    ("install", "run_once"),
    [
        (("uv", "tool", "install"), ("uvx", "--from")),
        (("pipx", "install"), ("pipx", "run", "--spec")),
    ],
    ids=["uv", "pipx"],
)
def test_tools_make_an_environment_that_every_jupyter_can_use(
    install: tuple[str, ...],
    run_once: tuple[str, ...],
    distributions: Distributions,
    kernel_in: KernelIn,
    tmp_path: Path,
) -> None:
    made = Environment(tmp_path / ".local", tmp_path)  # where tools put the command

    once = run(
        *run_once, distributions.wheel, "tci-kernel", "--version", environment=made.variables
    )
    assert once.stdout == f"{tci_kernel.__version__}\n"
    run(*install, distributions.wheel, environment=made.variables)
    said = made.run("tci-kernel", "install", "--user", "--json").stdout

    places = [Path(path) for path in json.loads(said)]
    assert [path.name for path in places] == [*SPECS]
    with kernel_in(places[0].parent) as driver:
        prefix = driver.run("import sys; print(sys.prefix)").text()
    assert Path(prefix).is_relative_to(tmp_path)
