"""From an interpreter's IOPub messages to the outputs that the contract can carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tci_kernel.client.schema import Output

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


class OutputCollector:
    """Collects what a cell produces, in order, as the contract writes it.

    What the contract can't carry is dropped: display ids and their updates, clear_output,
    metadata, payloads. So a client that works here meets the wire as it is.
    """

    def __init__(self) -> None:
        self._collected: list[tuple[str, list[Any]]] = []

    def collect(self, message_type: str, content: Mapping[str, Any]) -> None:
        """Take an IOPub message."""
        match message_type:
            case "stream":
                self.add_text(
                    "stderr" if content["name"] == "stderr" else "stdout", content["text"]
                )
            case "display_data" | "execute_result":
                self._collected.append((message_type, [_conforming(content["data"])]))
            case "error":
                lines = content["traceback"] or [f"{content['ename']}: {content['evalue']}"]
                self.add_text("error", "\n".join(lines))

    def add_text(self, kind: str, text: str) -> None:
        """Add text; consecutive prints to one stream become one output.

        Raises:
            TypeError: it is no text.
        """
        if not isinstance(text, str):
            raise TypeError(f"{text!r} is no text")
        if kind != "error" and self._collected and self._collected[-1][0] == kind:
            self._collected[-1][1].append(text)
        else:
            self._collected.append((kind, [text]))

    @property
    def failed(self) -> bool:
        """Whether there is an error among the outputs so far."""
        return any(kind == "error" for kind, _ in self._collected)

    def outputs(self) -> list[Output]:
        """The outputs so far."""
        return [
            Output(kind, parts[0] if len(parts) == 1 else "".join(parts))
            for kind, parts in self._collected
        ]


def _conforming(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a MIME bundle whose values have the types that the contract gives them."""
    return {
        mime: data
        for mime, data in bundle.items()
        if not (mime in _OBJECTS and not isinstance(data, dict))
        and not (mime in _STRINGS and not isinstance(data, str))
    }
