"""The body of `POST /tci/sessions/{id}/exchange`, checked before anything of it is taken."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tci_kernel.client.schema import read_files
from tci_kernel.core.errors import RequestRejected
from tci_kernel.remote.exchanges import SENT, VERSION
from tci_kernel.server import files as request_files

# Characters of a client's id, which is kept.
LONGEST_CLIENT = 100


@dataclass(frozen=True, slots=True)
class ExchangeRequest:
    """An exchange's request. See `docs/exchange.md`.

    Attributes:
        fields: as it has them; empty where it takes nothing.
        files: of each message that has some, by its number: written before it is taken.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    files: Mapping[int, request_files.Decoded] = field(default_factory=dict)

    @property
    def is_ping(self) -> bool:
        """Whether it asks for the greeting; one of another version gets that, too."""
        return not self.fields

    @classmethod
    def from_json(cls, body: object) -> ExchangeRequest:
        """Check a decoded body.

        Raises:
            RequestRejected: naming the field at fault.
        """
        if not isinstance(body, dict):
            raise RequestRejected("The body must be a JSON object.")
        if body.get("ping") is True or _is_of_another_version(body):
            return cls()
        for name, (is_right, what) in _FIELDS.items():
            if name not in body:
                raise RequestRejected(f"'{name}' is required.", param=name)
            if not is_right(body[name]):
                raise RequestRejected(f"'{name}' must be {what}.", param=name)
        if not isinstance(body.get("describe", False), bool):
            raise RequestRejected("'describe' must be true or false.", param="describe")
        for number, message in enumerate(body["messages"]):
            _check_message(message, f"messages.{number}")
        numbered = enumerate(body["messages"], body["first"])
        return cls(body, {number: _files(message) for number, message in numbered})


def _is_of_another_version(body: Mapping[str, Any]) -> bool:
    return _is_whole(body.get("version")) and body["version"] != VERSION


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_duration(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "version": (_is_whole, "a whole number"),
    "client": (
        lambda value: isinstance(value, str) and 0 < len(value) <= LONGEST_CLIENT,
        f"a string of 1 to {LONGEST_CLIENT} characters",
    ),
    "acknowledged": (_is_whole, "a whole number, 0 or more"),
    "first": (lambda value: _is_whole(value) and value > 0, "a whole number, 1 or more"),
    "wait": (_is_duration, "seconds, 0 or more"),
    "gather": (_is_duration, "seconds, 0 or more"),
    "limit": (lambda value: _is_whole(value) and value > 0, "bytes, 1 or more"),
    "messages": (lambda value: isinstance(value, list), "an array"),
}


def _files(message: Mapping[str, Any]) -> request_files.Decoded:
    return request_files.decode(read_files(message))


def _check_message(message: object, path: str) -> None:
    """Turn away a message that an interpreter can't be sent."""
    if not isinstance(message, dict) or not isinstance(message.get("channel"), str):
        raise RequestRejected(f"'{path}' must be an object with a 'channel'.", param=path)
    if message["channel"] not in SENT:
        return
    header = message.get("header")
    is_named = isinstance(header, dict) and all(
        isinstance(header.get(name), str) and header[name] for name in ("msg_id", "msg_type")
    )
    if not is_named:
        where = f"{path}.header"
        raise RequestRejected(f"'{where}' must have 'msg_id' and 'msg_type'.", param=where)
    for name in ("content", "metadata", "parent_header"):
        if not isinstance(message.get(name, None if name == "content" else {}), dict):
            raise RequestRejected(f"'{path}.{name}' must be an object.", param=f"{path}.{name}")
    buffers = message.get("buffers", [])
    if not (isinstance(buffers, list) and all(map(_is_base64, buffers))):
        where = f"{path}.buffers"
        raise RequestRejected(f"'{where}' must be an array of texts in base64.", param=where)


def _is_base64(value: object) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except ValueError:
        return False
