"""What other indexes read: the citation and the recipe of a conda package."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tci_kernel
from tests.packaging.distributions import ROOT
from tests.packaging.environments import PROJECT
from tests.packaging.tools import check

# It refuses fields that it does not know, and requirements that it can't read.
_RENDER = """
import json
from rattler_build import Stage0Recipe
(variant,) = Stage0Recipe.from_file("conda/recipe.yaml").render()
print(json.dumps(variant.recipe.to_dict()))
"""


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    """The recipe as rattler-build has understood it."""
    rendered = check("py-rattler-build==0.73.0", "python", "-c", _RENDER)
    recipe: dict[str, Any] = json.loads(rendered)
    return recipe


def test_the_citation_is_of_the_format() -> None:
    command = ("cffconvert", "--validate", "--infile", "CITATION.cff")
    assert "valid according to schema version 1.2.0" in check("cffconvert==2.0.0", *command)


def test_the_citation_says_what_the_package_says() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["title"] == PROJECT["name"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert " ".join(citation["abstract"].split()) == PROJECT["description"]
    assert citation["keywords"] == PROJECT["keywords"]


def test_the_recipe_is_of_this_version(recipe: dict[str, Any]) -> None:
    assert recipe["package"] == {"name": PROJECT["name"], "version": tci_kernel.__version__}
    assert recipe["about"]["license"] == PROJECT["license"]
    assert PROJECT["scripts"] == {"tci-kernel": "tci_kernel.cli:main"}
    assert "tci-kernel = tci_kernel.cli:main" in json.dumps(recipe["build"])


def test_the_recipe_asks_for_what_the_package_asks_for(recipe: dict[str, Any]) -> None:
    asked = requirements(["python" + PROJECT["requires-python"], *PROJECT["dependencies"]])
    assert requirements(recipe["requirements"]["run"]) == asked
    builds = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    host = requirements(recipe["requirements"]["host"])
    assert requirements(builds).items() <= host.items()


def requirements(texts: list[str]) -> dict[str, str]:
    """Names and versions, whatever the spaces between them."""
    read = [Requirement(text.replace(" ", "").replace("3.11.*", "==3.11.*")) for text in texts]
    return {canonicalize_name(one.name): str(one.specifier) for one in read}
