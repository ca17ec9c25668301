"""The source distribution and the wheel: what is in them, and what an index would say to them."""

from __future__ import annotations

import re
import sys
import tarfile
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest

import tci_kernel
from tests.documents.pages import links
from tests.packaging.distributions import ROOT, STEM, Distributions, build, run

# What is of use in a clone alone.
FOR_CLONES = {".pre-commit-config.yaml"}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files that git tracks; in an unpacked source distribution, those that it would."""
    git: tuple[str | Path, ...] = ("git", "-C", ROOT)
    if (ROOT / ".git").exists():
        listed = run(*git, "ls-files", "-z")
    else:
        empty = tmp_path_factory.mktemp("repository")
        run("git", "init", "--quiet", "--bare", empty)
        git += (f"--git-dir={empty}", "--work-tree=.")
        listed = run(*git, "ls-files", "-z", "--others", "--exclude-standard")
    return set(listed.stdout.split("\0")) - {"", "PKG-INFO"}


@pytest.fixture(scope="module")
def unpacked(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    directory = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(directory, filter="data")
    return directory / STEM


def test_the_source_distribution_has_all_that_git_tracks(
    distributions: Distributions, tracked: set[str]
) -> None:
    with tarfile.open(distributions.sdist) as archive:
        names = {name.removeprefix(f"{STEM}/") for name in archive.getnames()}

    assert names == (tracked - FOR_CLONES) | {"PKG-INFO"}


def test_the_wheel_has_the_package_and_the_kernelspecs_twice(
    distributions: Distributions, tracked: set[str]
) -> None:
    with ZipFile(distributions.wheel) as archive:
        names = set(archive.namelist())

    kernelspecs = {name for name in tracked if name.startswith("kernelspec/")}
    assert len(kernelspecs) == 8
    about = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    assert names == {
        *(name for name in tracked if name.startswith("tci_kernel/")),
        *(f"tci_kernel/{name}" for name in kernelspecs),
        *(
            f"{STEM}.data/data/share/jupyter/kernels/{name.removeprefix('kernelspec/')}"
            for name in kernelspecs
        ),
        *(f"{STEM}.dist-info/{name}" for name in about),
    }


def test_the_source_distribution_builds_both_again_byte_by_byte(
    distributions: Distributions, unpacked: Path, tmp_path: Path
) -> None:
    """Elsewhere, later, and from files of another age."""
    again = build(unpacked, tmp_path)

    assert again.sdist.read_bytes() == distributions.sdist.read_bytes()
    assert again.wheel.read_bytes() == distributions.wheel.read_bytes()


def test_an_index_would_take_them(distributions: Distributions) -> None:
    twine = (sys.executable, "-m", "twine", "check", "--strict")

    assert run(*twine, distributions.sdist, distributions.wheel).stdout.count("PASSED") == 2


def test_what_an_index_shows_of_the_readme_leads_nowhere_else(
    distributions: Distributions, tmp_path: Path
) -> None:
    """There, links and pictures that are relative to the repository would be broken."""
    with ZipFile(distributions.wheel) as archive:
        metadata = HeaderParser().parsestr(archive.read(f"{STEM}.dist-info/METADATA").decode())
    with tarfile.open(distributions.sdist) as archive:
        names = {name.removeprefix(f"{STEM}/") for name in archive.getnames()}
    text = str(metadata.get_payload())
    shown = tmp_path / "shown.md"
    shown.write_text(text)

    assert metadata["Description-Content-Type"] == "text/markdown"
    assert list(links(shown)) == []
    assert "<!--" not in text
    assert re.findall("pip install .*", text)[0] == "pip install tci-kernel"
    for name in {urlsplit(link).path for link in links(ROOT / "README.md")}:
        assert name in names
        assert f"`{name}`" in text or name.startswith("docs/images/")


def test_all_name_the_version_that_the_package_has(distributions: Distributions) -> None:
    with ZipFile(distributions.wheel) as archive:
        metadata = HeaderParser().parsestr(archive.read(f"{STEM}.dist-info/METADATA").decode())
    assert metadata["Version"] == tci_kernel.__version__

    headings = re.findall(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0][0] == tci_kernel.__version__
