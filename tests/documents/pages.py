"""The documents as the tests read them: their links, and the blocks of code in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]

# What the reader follows step by step.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# What else has links.
OTHERS = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the file that it stands in.
        line: where it begins there.
        kind: what stands behind its fence: a language, and what the tests do with it if that is
            not what the language says.
        text: the block itself.
    """

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, but for those that only the site's generator reads."""
    for token in _tokens(page):
        if token.type == "fence" and token.map is not None and not token.info.startswith("{"):
            yield Block(page, token.map[0] + 1, token.info.strip(), token.content)


def links(page: Path) -> Iterator[str]:
    """What a page links to, images included."""
    for token in _tokens(page):
        for inner in token.children or ():
            if inner.type == "link_open":
                yield str(inner.attrs["href"])
            elif inner.type == "image":
                yield str(inner.attrs["src"])


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and the site make them."""
    tokens = list(_tokens(page))
    titles = (tokens[i + 1] for i, token in enumerate(tokens) if token.type == "heading_open")
    return {_anchor(title) for title in titles}


def _anchor(title: Token) -> str:
    text = "".join(inner.content for inner in title.children or ())
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text())
