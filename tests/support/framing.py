"""Messages as an interpreter sends them, made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tci_kernel.remote.frames import Frames


def frames(
    kind: str,
    content: Mapping[str, Any] | None = None,
    *,
    channel: str = "iopub",
    parent: str = "request",
    buffers: Sequence[bytes] = (),
) -> Frames:
    """A message of a type, that belongs to a request."""
    parts = [{"msg_type": kind}, {"msg_id": parent} if parent else {}, {}, dict(content or {})]
    return Frames(channel, [json.dumps(part).encode() for part in parts], buffers)


def printed(text: str, name: str = "stdout", parent: str = "request") -> Frames:
    """A text that was printed."""
    return frames("stream", {"name": name, "text": text}, parent=parent)
