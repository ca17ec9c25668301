"""What a cell led to, as data that two kernels should agree on.

Only what must differ between two processes is replaced; all else stays as it was published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import unified_diff
from itertools import groupby
from typing import Any
from zlib import crc32

from tests.support.kernels import Answer

# A message's type and content.
Entry = tuple[str, dict[str, Any]]

# A text is compared whole, but no more than this of it is shown.
_WIDTH = 300
_LINES = 100

_PLACES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"/ipykernel_\d+/\d+\.py"), "/<cell file>"),
    (re.compile(r"ipykernel_\d+"), "ipykernel_<pid>"),
    (re.compile(r"\bpid \d+"), "pid <pid>"),
    (re.compile(r"\b0x[0-9a-fA-F]{6,16}\b"), "0x…"),
]

# How long something took, below; elsewhere a number is the cell's own. Some lines appear only on
# a machine that is slow at the moment.
_TIMED = re.compile(r"CPU times|Wall time|per loop")
_TIMES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"\b\d+(?:\.\d+)?(?:e[+-]\d+)? ?(?:ns|[µμu]s|ms|s|min)\b"), "<time>"),
    (re.compile(r"(?:The slowest run took|Compiler *:|Parser *:) .*\n"), ""),
]

# Of a display, a comm, a widget, a progress bar, or a plot.
_RANDOM_ID = re.compile(
    r"(?<![0-9a-zA-Z])(?:[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"(?![0-9a-zA-Z])"
)


class Normaliser:
    """Makes the messages of one kernel comparable.

    Random display ids are numbered in the order of their appearance, in the whole notebook, so that
    an update in a later cell still belongs to its display. Ids that the code gives stay.
    """

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self.directory = ""

    def name(self, text: str, name: str) -> None:
        """Show a text by a name, where it stands alone."""
        self._named[text] = name

    def entries(self, answer: Answer) -> list[Entry]:
        """All messages of a cell in order, and the reply at the end."""
        published = [(m["msg_type"], m["content"]) for m in answer.published]
        return self.cleaned([*published, ("execute_reply", answer.reply)])

    def cleaned(self, entries: list[Entry]) -> list[Entry]:
        """Messages in order, without those that say whether the kernel is busy."""
        entries = [entry for entry in entries if entry[0] != "status"]
        return [
            (kind, self._clean(_join_traceback(_without_engine(content))))
            for kind, content in merge_streams(entries)
        ]

    def _clean(self, part: Any) -> Any:
        if isinstance(part, dict):
            return {key: self._clean(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [self._clean(inner) for inner in part]
        return self._clean_text(part) if isinstance(part, str) else part

    def _clean_text(self, text: str) -> str:
        if self.directory:
            text = text.replace(self.directory, "<directory>")
        text = self._named.get(text, text)
        for pattern, name in _PLACES + (_TIMES if _TIMED.search(text) else []):
            text = pattern.sub(name, text)
        return _RANDOM_ID.sub(self._numbered, text)

    def _numbered(self, match: re.Match[str]) -> str:
        return self._ids.setdefault(match[0], f"d{len(self._ids) + 1}")


def _without_engine(content: dict[str, Any]) -> dict[str, Any]:
    """The content without an identity for IPython's former parallel machinery."""
    return {key: part for key, part in content.items() if key != "engine_info"}


def _join_traceback(content: dict[str, Any]) -> dict[str, Any]:
    """The content with its traceback as one text: frontends join the lines, however split."""
    if "traceback" not in content:
        return content
    return {**content, "traceback": "\n".join(content["traceback"])}


def merge_streams(entries: list[Entry]) -> list[Entry]:
    """Consecutive texts of one stream as one: where a kernel cuts a stream means nothing."""
    merged: list[Entry] = []
    for stream, group in groupby(entries, _stream):
        if stream is None:
            merged += group
        else:
            text = "".join(content["text"] for _, content in group)
            merged.append(("stream", {**stream, "text": text}))
    return merged


def _stream(entry: Entry) -> dict[str, Any] | None:
    """All that says which stream a text is of."""
    kind, content = entry
    return {key: content[key] for key in content if key != "text"} if kind == "stream" else None


def difference(expected: list[Entry], actual: list[Entry]) -> str:
    """How what a cell led to on `tci-local` differs from `python3`; empty if it does not."""
    if expected == actual:
        return ""
    lines = unified_diff(_lines(expected), _lines(actual), "python3", "tci-local", lineterm="", n=2)
    # Equal lines can come of different data, where a shown text is cut or a type differs.
    return "\n".join(lines) or "the two differ only in what is not shown"


def _lines(entries: list[Entry]) -> list[str]:
    return [line for kind, content in entries for line in _shown(kind, content)]


def _shown(name: str, part: Any) -> Iterator[str]:
    if isinstance(part, dict) and part:
        for key in sorted(part):
            yield from _shown(f"{name} · {key}", part[key])
    elif isinstance(part, str):
        lines = part.split("\n", _LINES)
        for line in lines[:_LINES]:
            yield f"{name} | {line[:_WIDTH]!r}"
        if len(lines) > _LINES or max(map(len, lines)) > _WIDTH:
            checksum = crc32(part.encode(errors="surrogatepass"))
            yield f"{name} | … {len(part)} characters, checksum {checksum:08x}"
    else:
        yield f"{name} = {part!r}"
