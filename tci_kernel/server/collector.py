"""From an interpreter's IOPub messages to the outputs that the contract can carry."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from tci_kernel.client.schema import Output
from tci_kernel.core.text import size as written_size

# Outputs of these that follow each other become one.
_STREAMS = ("stderr", "stdout")

# The MIME types that the contract gives a type to; others pass as they are.
_OBJECTS = frozenset(
    {
        "application/geo+json",
        "application/json",
        "application/vnd.vega.v5+json",
        "application/vnd.vegalite.v4+json",
    }
)
_STRINGS = frozenset(
    {
        "application/javascript",
        "application/pdf",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/svg+xml",
        "text/html",
        "text/latex",
        "text/markdown",
        "text/plain",
    }
)


# Bytes of a cell's outputs that are kept, the share of them that is kept from the beginning, and
# what an output takes beside its own: endless printing would fill the memory.
KEPT = 128_000_000
FIRST_SHARE = 4
OVERHEAD = 200


@dataclass(frozen=True, slots=True)
class _Collected:
    """An output, or a part of one: consecutive prints to a stream become one output."""

    kind: str
    data: Any
    size: int


class OutputCollector:
    """Collects what a cell produces, in order, as the contract writes it.

    What the contract can't carry is dropped: display ids and their updates, clear_output,
    metadata, payloads. So a client that works here meets the wire as it is.

    Args:
        kept: bytes beyond which the middle is dropped, and said to be; 0 to keep nothing.

    Attributes:
        failed: whether there was an error among the outputs.
        keeps_nothing: whether no output is kept.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.failed = False
        self.keeps_nothing = kept == 0
        self._first: list[_Collected] = []
        self._last: deque[_Collected] = deque()
        self._room = kept // FIRST_SHARE
        self._kept_last = kept - self._room
        self._size_last = 0
        self._dropped = 0

    def collect(self, message_type: str, content: Mapping[str, Any]) -> None:
        """Take an IOPub message."""
        if self.keeps_nothing:
            return
        match message_type:
            case "stream":
                self.add_text(
                    "stderr" if content["name"] == "stderr" else "stdout", content["text"]
                )
            case "display_data" | "execute_result":
                bundle = _conforming(content["data"])
                self._add(_Collected(message_type, bundle, _size(bundle)))
            case "error":
                lines = content["traceback"] or [f"{content['ename']}: {content['evalue']}"]
                self.add_text("error", "\n".join(lines))

    def add_text(self, kind: str, text: str) -> None:
        """Add text.

        Raises:
            TypeError: it is no text.
        """
        if not isinstance(text, str):
            raise TypeError(f"{text!r} is no text")
        if self.keeps_nothing:
            return
        self.failed = self.failed or kind == "error"
        self._add(_Collected(kind, text, len(text) + OVERHEAD))

    def _add(self, one: _Collected) -> None:
        if not self._last and one.size <= self._room:
            self._first.append(one)
            self._room -= one.size
            return
        self._last.append(one)
        self._size_last += one.size
        while self._size_last > self._kept_last:
            dropped = self._last.popleft()
            self._size_last -= dropped.size
            self._dropped += dropped.size

    def outputs(self) -> list[Output]:
        """The outputs so far."""
        gap = []
        if self._dropped:
            text = f"\n… {written_size(self._dropped)} of output not kept …\n"
            gap = [_Collected("stderr", text, 0)]
        everything = chain(self._first, gap, self._last)
        outputs: list[Output] = []
        for kind, group in groupby(everything, key=attrgetter("kind")):
            if kind in _STREAMS:
                outputs.append(Output(kind, "".join(one.data for one in group)))
            else:
                outputs += [Output(kind, one.data) for one in group]
        return outputs


def _conforming(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a MIME bundle whose values have the types that the contract gives them."""
    return {
        mime: data
        for mime, data in bundle.items()
        if not (mime in _OBJECTS and not isinstance(data, dict))
        and not (mime in _STRINGS and not isinstance(data, str))
    }


def _size(bundle: Mapping[str, Any]) -> int:
    """About how many bytes a MIME bundle takes."""
    texts = [data if isinstance(data, str) else json.dumps(data) for data in bundle.values()]
    return sum(map(len, texts)) + OVERHEAD
