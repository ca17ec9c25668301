"""The versions that continuous integration installs."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.distributions import ROOT
from tests.packaging.environments import PROJECT

PINS = [
    Requirement(line)
    for line in (ROOT / ".ci" / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
]


def test_each_line_is_a_package_and_a_version_without_an_address() -> None:
    for pin in PINS:
        assert pin.url is None
        assert [one.operator for one in pin.specifier] == ["=="]


def test_all_that_the_project_asks_for_is_pinned_within_its_bounds() -> None:
    pins = {pin.name: pin for pin in PINS if pin.marker is None or pin.marker.evaluate()}
    extras = PROJECT["optional-dependencies"].values()
    asked = [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]
    for requirement in map(Requirement, asked):
        if requirement.name != PROJECT["name"]:
            pin = pins.get(canonicalize_name(requirement.name))
            assert pin is not None, f"{requirement} is not pinned: run `make constraints`"
            (version,) = (one.version for one in pin.specifier)
            assert version in requirement.specifier, f"{requirement}: run `make constraints`"
