"""The package as it is built and imported: what is in it, and what leans on what."""

from __future__ import annotations

import ast
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
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
            "import tci_kernel.kernel.app",
            ["click", "httpx", "keyring", "tci_kernel.session.session", "tci_kernel.server.server"],
        ),
        ("import tci_kernel.cli", ["click", "traitlets", "ipykernel", "httpx", "jupyter_client"]),
        ("import tci_kernel.cli.root", ["ipykernel", "jupyter_client", "zmq", "keyring"]),
        ("import tci_kernel.session.session", ["ipykernel", "httpx"]),
        ("import tci_kernel.server.server", ["ipykernel", "httpx"]),
        ("import tci_kernel.runtime", ["IPython", "click", "tci_kernel.local_cells"]),
        ("import tci_kernel.kernel.app", ["tci_kernel.local_cells", "tci_kernel.runtime"]),
        ("import tci_kernel.transfer.variables", ["numpy", "pandas", "polars", "pyarrow"]),
    ],
)
def test_import_loads_only_what_it_needs(statement: str, unwanted: list[str]) -> None:
    code = f"import sys; {statement}; print([name for name in {unwanted} if name in sys.modules])"

    python = (sys.executable, "-c", code)
    assert subprocess.run(python, capture_output=True, text=True, check=True).stdout == "[]\n"


# --------------------------------------------------------------------------------------------
# What leans on what


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {_name(path): path for path in PACKAGE.rglob("*.py")}


def _imports(module: str) -> Iterator[str]:
    """The modules that a module imports, wherever in it, for types alone as well."""
    path = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in SOURCES else origin


def _leans_on(module: str) -> set[str]:
    """The modules of the package that a module imports, directly or through others.

    The package itself has lazy imports of its public names alone, and is left out.
    """
    found: set[str] = set()
    ahead = [module]
    while ahead:
        inner = {name for name in _imports(ahead.pop()) if name in SOURCES} - {"tci_kernel"}
        ahead += inner - found
        found |= inner
    return found


def _importers(library: str) -> set[str]:
    return {
        module
        for module in SOURCES
        if any(name.partition(".")[0] == library for name in _imports(module))
    }


LAYERS = ["client.schema", "client.client", "session.session", "kernel.kernel", "kernel.app", "cli"]


@pytest.mark.parametrize("lower", LAYERS)
def test_arrows_point_one_way(lower: str) -> None:
    above = {f"tci_kernel.{name}" for name in LAYERS[LAYERS.index(lower) :]}

    assert not _leans_on(f"tci_kernel.{lower}") & above


def test_no_module_leans_on_itself() -> None:
    assert [module for module in SOURCES if module in _leans_on(module)] == []


def test_events_know_nothing_of_the_service_or_of_jupyter() -> None:
    assert _leans_on("tci_kernel.core.messages") <= {
        "tci_kernel.core.errors",
        "tci_kernel.client.failures",
        "tci_kernel.client.schema",
        "tci_kernel.session.direct.tracebacks",
    }


def test_nothing_below_the_kernel_imports_ipykernel() -> None:
    below = _leans_on("tci_kernel.kernel.kernel") - {
        "tci_kernel.kernel.kernel",
        "tci_kernel.kernel.assistance",
    }

    assert "tci_kernel.session.session" in below
    assert not _importers("ipykernel") & below


def test_only_the_client_imports_httpx() -> None:
    assert _importers("httpx") == {"tci_kernel.client.client"}


def test_programs_for_the_remote_interpreter_import_nothing_of_the_package() -> None:
    remote = {module for module in SOURCES if module.startswith("tci_kernel.remote.")}
    imported = {name for module in remote for name in _imports(module) if name in SOURCES}

    # In the session the text of these is sent before that of the modules that need them.
    assert imported == {"tci_kernel.remote.arrival", "tci_kernel.remote.tables"}
    assert not _leans_on("tci_kernel.remote.arrival") | _leans_on("tci_kernel.remote.tables")


def test_local_server_shares_the_schema_the_errors_the_traits_and_one_function() -> None:
    local = {module for module in SOURCES if module.startswith("tci_kernel.server.")}
    shared = {name for module in local for name in _imports(module) if name in SOURCES} - local

    assert shared <= {
        f"tci_kernel.{name}"
        for name in ("client.schema", "core.errors", "client.client", "config.traits")
    }
    for module in local:
        for node in ast.walk(ast.parse(SOURCES[module].read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "tci_kernel.client.client":
                assert [alias.name for alias in node.names] == ["is_loopback"]


def test_janitor_runs_as_a_file_and_so_imports_nothing_of_the_package() -> None:
    outside = {name.partition(".")[0] for name in _imports("tci_kernel.server.janitor_process")}

    assert outside <= sys.stdlib_module_names


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
