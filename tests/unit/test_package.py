"""The package as it is built and imported: what is in it, and what leans on what."""

from __future__ import annotations

import ast
import json
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tci_kernel

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tci_kernel"
SPECS = ("tci", "tci-local")
LOGOS = {"logo-32x32.png": (32, 32), "logo-64x64.png": (64, 64)}


# --------------------------------------------------------------------------------------------
# Public names


@pytest.mark.parametrize("name", tci_kernel.__all__)
def test_public_name_can_be_imported(name: str) -> None:
    assert getattr(tci_kernel, name) is not None


def test_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'tci_kernel' has no attribute 'absent'"):
        tci_kernel.absent  # noqa: B018 - looking it up is the test


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        (
            "import tci_kernel",
            ["ipykernel", "httpx", "tornado", "traitlets", "tci_kernel.client.client"],
        ),
        ("from tci_kernel import TCIError", ["ipykernel", "httpx", "tornado", "traitlets"]),
        ("from tci_kernel import TCIClient", ["ipykernel", "httpx", "zmq"]),
        (
            "from tci_kernel import AsyncClient, Client; Client().close()",
            ["ipykernel", "IPython", "click", "httpx", "tornado", "zmq", "tci_kernel.kernel.app"],
        ),
        (
            "import tci_kernel.kernel.app",
            [
                *("click", "httpx", "keyring", "tci_kernel.cli", "tci_kernel.client"),
                *("tci_kernel.local_cells", "tci_kernel.runtime", "tci_kernel.server"),
                "tci_kernel.session.session",
            ],
        ),
        (
            (
                "from traitlets.config import Config as C; from tci_kernel.kernel import catalogue;"
                "catalogue.catalogue(None).checked(C(TCIClient={'base_url': 'http://x'}), '')"
            ),
            ["ipykernel", "tci_kernel.kernel.kernel", "tci_kernel.server", "tci_kernel.session"],
        ),
        (
            "import tci_kernel.extension.magics",
            ["click", "httpx", "ipykernel", "tci_kernel.commands", "tci_kernel.runtime"],
        ),
        ("import tci_kernel.cli", ["click", "traitlets", "ipykernel", "httpx", "jupyter_client"]),
        ("import tci_kernel.cli.root", ["ipykernel", "jupyter_client", "zmq", "keyring"]),
        ("import tci_kernel.session.session", ["ipykernel", "httpx"]),
        ("import tci_kernel.server.server", ["ipykernel", "httpx", "ray"]),
        ("import tci_kernel.runtime", ["IPython", "click", "tci_kernel.local_cells"]),
        ("import tci_kernel.transfer.variables", ["numpy", "pandas", "polars", "pyarrow"]),
    ],
)
def test_import_loads_only_what_it_needs(statement: str, unwanted: list[str]) -> None:
    code = f"import sys; {statement}; print([name for name in {unwanted} if name in sys.modules])"

    python = (sys.executable, "-c", code)
    assert subprocess.run(python, capture_output=True, text=True, check=True).stdout == "[]\n"


# --------------------------------------------------------------------------------------------
# What leans on what: import-linter, whose contracts are in pyproject.toml, sees the imports. Names
# of modules in strings, and files that run without the package, it does not see.


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in PACKAGE.rglob("*.py")}


def _ranks() -> dict[str, int]:
    """How far down each room is: the contract's layers."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (one["layers"] for one in contracts["contracts"] if one["type"] == "layers")
    return {
        f"tci_kernel.{room.strip()}": rank
        for rank, layer in enumerate(layers)
        for room in layer.split("|")
    }


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_no_name_of_a_module_in_a_string_leads_upwards() -> None:
    ranks = _ranks()
    named = {
        (module, node.value)
        for module, path in MODULES.items()
        if module != "tci_kernel"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in MODULES.keys() - {"tci_kernel"}
    }

    assert ("tci_kernel.kernel.catalogue", "tci_kernel.client.client") in named
    assert [
        (module, name) for module, name in named if ranks[_room(module)] > ranks[_room(name)]
    ] == []


def test_janitor_runs_as_a_file_and_so_takes_the_standard_library_alone() -> None:
    janitor = PACKAGE / "server" / "janitor_process.py"

    # Neither the packages of the environment nor this one are to be found in such a Python.
    code = f"import runpy; runpy.run_path({str(janitor)!r})"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


# --------------------------------------------------------------------------------------------
# Kernelspecs and logos


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("logo", LOGOS)
def test_logo_has_the_size_that_its_name_says(spec: str, logo: str) -> None:
    head = (ROOT / "kernelspec" / spec / logo).read_bytes()[:24]

    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:]) == LOGOS[logo]


def test_openapi_in_both_notations_says_the_same() -> None:
    import yaml  # noqa: PLC0415

    source = yaml.safe_load((PACKAGE / "server" / "openapi.yaml").read_text())

    assert json.loads((PACKAGE / "server" / "openapi.json").read_text()) == source
