"""MIME bundles of every type that the contract knows, as its description lists them."""

from __future__ import annotations

from typing import Any

import yaml

from tests.support.contract import OPENAPI

_SCHEMAS = yaml.safe_load(OPENAPI.read_text())["components"]["schemas"]

# The JSON type of the data, by MIME type.
_TYPES: dict[str, str] = {
    mime: schema["type"] for mime, schema in _SCHEMAS["MimeBundle"]["properties"].items()
}

_VALUES: dict[str, Any] = {"object": {"a": [1, None]}, "string": "text"}


def good_bundle() -> dict[str, Any]:
    """Data of the type that the contract gives each MIME type."""
    return {mime: _VALUES[kind] for mime, kind in _TYPES.items()}


def bad_bundle() -> dict[str, Any]:
    """Data of another type than the contract's, for each MIME type."""
    return {mime: [_VALUES[kind]] for mime, kind in _TYPES.items()}
