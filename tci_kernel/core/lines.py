"""Finds the `%tci` lines of a cell, and `%%local`. Imports nothing that other cells don't need."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A backslash at its end continues a line; `?` asks for help, as behind any magic.
WORDS = r"[ \t]+(?P<words>(?:\\\n|[^\n])*)"
_COMMAND = re.compile(rf"[ \t]*%tci(?:{WORDS}|(?P<help>\?{{1,2}}))?[ \t]*(?:\n|$)")
_HELP = re.compile(r"(\w+)\?{1,2}")
_LOCAL = re.compile(r"%%local(?P<words>[ \t][^\n]*)?(?:\n|\Z)")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?\n")
_CODE = re.compile(r"\S")
_WORD = re.compile(r"\S*")
_FIRST_PERCENT = re.compile(r"^([ \t]*)%", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LocalCell:
    """A cell that begins with `%%local`, but for `%tci` lines.

    Attributes:
        words: what stands behind `%%local`.
        head: these lines as comments, each as long as it was, and the blank lines below them.
        body: the code.
    """

    words: str
    head: str
    body: str

    @property
    def code(self) -> str:
        """The whole cell, in which every character of the body has its place."""
        return self.head + self.body


def split(code: str) -> tuple[list[str], str]:
    """The leading `%tci` lines of a cell, without the `%tci`, and the rest of it.

    In the rest a comment stands for each of them, so that the numbers of lines in tracebacks are
    those of the cell; but a cell magic has to be the first line.
    """
    commands, position = _leading(code)
    if not commands:
        return [], code
    rest = code[position:]
    if not rest.strip() or rest.startswith("%%"):
        return commands, rest
    return commands, "#\n" * code.count("\n", 0, position) + rest


def local_cell(code: str) -> LocalCell | None:
    """The parts of a cell that is to run in the local IPython; None if it is no such cell."""
    match = _LOCAL.match(code, _leading(code)[1])
    if match is None:
        return None
    first = _CODE.search(code, match.end())
    # Of its line, the blanks that indent it belong to the body.
    end = max(match.end(), code.rfind("\n", 0, first.start()) + 1) if first else len(code)
    head, body = code[:end], code[end:]
    return LocalCell((match["words"] or "").strip(), _FIRST_PERCENT.sub(r"\1#", head), body)


def _leading(code: str) -> tuple[list[str], int]:
    """The `%tci` lines at the top of a cell, and where they end."""
    commands: list[str] = []
    position = 0
    while match := _COMMAND.match(code, position) or _BLANK.match(code, position):
        if match.re is _COMMAND:
            commands.append("help" if match["help"] else words_of(match["words"]))
        position = match.end()
    return commands, position


def words_of(typed: str | None) -> str:
    """What stands behind a `%tci`, as its commands take it."""
    words = (typed or "").replace("\\\n", " ").strip()
    asked = _HELP.fullmatch(words)
    return f"help {asked[1]}" if asked else words


def command_at(code: str, cursor_pos: int, *, whole_word: bool = False) -> str | None:
    """What stands between `%tci` and the cursor, if the cursor is in such a line.

    Args:
        code: the cell.
        cursor_pos: the cursor's place in it.
        whole_word: whether the word at the cursor goes on behind it.
    """
    rest = _WORD.match(code, cursor_pos) if whole_word else None
    line = code[: rest.end() if rest else cursor_pos].rpartition("\n")[2]
    match = re.match(r"[ \t]*%tci[ \t]+(.*)", line)
    return match[1] if match else None
