"""Checks of bodies against the contract, as the project's own openapi.yaml has it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

import tci_kernel.server

OPENAPI = Path(tci_kernel.server.__file__).with_name("openapi.yaml")


@cache
def _validator(name: str) -> Draft202012Validator:
    document = yaml.safe_load(OPENAPI.read_text())
    return Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})


def check(name: str, body: bytes | str | Any) -> Any:
    """Check a body, encoded or decoded, against a schema of the contract; give it decoded."""
    value = json.loads(body) if isinstance(body, (bytes, str)) else body
    _validator(name).validate(value)
    return value
