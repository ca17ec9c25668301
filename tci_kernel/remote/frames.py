"""Jupyter's messages as they travel over ZeroMQ, and as text in an exchange.

What an interpreter sends is JSON already: its parts pass as they are, undecoded but for what must
be known of them. It travels to the session as text, before that of `relay`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from copy import copy
from typing import Any, Iterator, Sequence

DELIMITER = b"<IDS|MSG>"

# The JSON parts of a message, in their order on the wire.
PARTS = ("header", "parent_header", "metadata", "content")

# Characters of a stream that are joined in one message.
JOINED = 65536


class Frames:
    """A message that an interpreter has sent.

    Args:
        channel: `iopub`, `shell`, `control` or `stdin`.
        parts: its JSON parts, in the order of `PARTS`.
        buffers: its binary data.

    Attributes:
        type: its type.
        parent_id: the id of the request that it belongs to; empty if there is none.
        size: about how many bytes it takes.
        name: for a stream, which one it is; else empty.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: it is not what the protocol says.
    """

    def __init__(self, channel: str, parts: Sequence[bytes], buffers: Sequence[bytes]) -> None:
        self.channel = channel
        self._parts = [part.decode("utf-8", "replace") for part in parts]
        self._buffers = buffers
        self.type = str(json.loads(self._parts[0]).get("msg_type"))
        self.parent_id = str(json.loads(self._parts[1]).get("msg_id", ""))
        self.size = sum(map(len, parts)) + sum(map(len, buffers))
        self._frame = self.size - len(parts[3])  # what its text does not add to
        self.name = ""
        self._texts: list[str] = []
        if channel == "iopub" and self.type == "stream":
            content = self.content()
            self.name, text = str(content["name"]), content["text"]
            if not isinstance(text, str):
                raise TypeError("%r is no text" % (text,))
            self._texts = [text]

    def content(self) -> dict[str, Any]:
        """Its content, decoded; empty where it is none."""
        if self.name:
            return {"name": self.name, "text": "".join(self._texts)}
        content = json.loads(self._parts[3])
        return content if isinstance(content, dict) else {}

    def copy(self) -> Frames:
        """Another one of the same, which may be joined with others than this one."""
        other = copy(self)
        other._texts = [*self._texts]
        return other

    def join(self, other: Frames) -> bool:
        """Take in what follows on the same stream, for the same request; whether it was that."""
        if not self.name or (self.name, self.parent_id) != (other.name, other.parent_id):
            return False
        if self.size + other.size > JOINED:
            return False
        self._texts += other._texts
        self.size += other.size - other._frame
        return True

    def pieces(self) -> Iterator[Frames]:
        """The same in messages of which none is large, if it is a stream: they can be dropped."""
        text = "".join(self._texts)
        if len(text) <= JOINED:
            yield self
            return
        for start in range(0, len(text), JOINED):
            piece = {"name": self.name, "text": text[start : start + JOINED]}
            parts = [*self._parts[:3], as_json(piece)]
            yield Frames(self.channel, [part.encode() for part in parts], [])

    def note(self, text: str) -> Frames:
        """A text on the standard error output, for the request that this one belongs to."""
        header = {**json.loads(self._parts[0]), "msg_type": "stream"}
        content = {"name": "stderr", "text": text}
        parts = [json.dumps(header), self._parts[1], "{}", json.dumps(content)]
        return Frames("iopub", [part.encode() for part in parts], [])

    def text(self) -> str:
        """The JSON text in which it travels in an exchange."""
        parts = list(self._parts)
        if self.name:
            parts[3] = as_json(self.content())
        buffers = [base64.b64encode(buffer).decode() for buffer in self._buffers]
        fields = [f'"channel": "{self.channel}"', f'"buffers": {json.dumps(buffers)}']
        fields += [f'"{name}": {part}' for name, part in zip(PARTS, parts)]  # noqa: B905 - from Python 3.10 on
        return "{%s}" % ", ".join(fields)


def as_json(value: object) -> str:
    """A value as JSON that can be printed: as it is, but for halves of surrogate pairs."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


class Signer:
    """Signs what goes to an interpreter, and reads what it sends.

    Args:
        key: the key of its connection file.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _signature(self, parts: Sequence[bytes]) -> bytes:
        return hmac.new(self._key, b"".join(parts), hashlib.sha256).hexdigest().encode()

    def frames(self, message: dict[str, Any]) -> list[bytes]:
        """What a message, as an exchange brings it, is on the wire."""
        parts = [json.dumps(message.get(name) or {}).encode() for name in PARTS]
        buffers = [base64.b64decode(buffer) for buffer in message.get("buffers", ())]
        return [DELIMITER, self._signature(parts), *parts, *buffers]

    def read(self, channel: str, received: list[bytes]) -> Frames | None:
        """The message that has been received; None for what is none."""
        try:
            start = received.index(DELIMITER) + 1
            signature, parts = received[start], received[start + 1 : start + 5]
            if not hmac.compare_digest(self._signature(parts), signature):
                return None
            return Frames(channel, parts, received[start + 5 :])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None
