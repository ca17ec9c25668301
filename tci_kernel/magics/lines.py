"""Finds the `%tci` lines of a cell. Imports nothing that a cell without them does not need."""

from __future__ import annotations

import re

_COMMAND = re.compile(r"[ \t]*%tci(?:[ \t]+(?P<words>[^\n]*))?[ \t]*(?:\n|$)")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?\n")


def split(code: str) -> tuple[list[str], str]:
    """The leading `%tci` lines of a cell, without the `%tci`, and the rest of it.

    In the rest a comment stands for each of them, so that the numbers of lines in tracebacks are
    those of the cell; but a cell magic has to be the first line.
    """
    commands: list[str] = []
    position = 0
    while match := _COMMAND.match(code, position) or _BLANK.match(code, position):
        if match.re is _COMMAND:
            commands.append((match["words"] or "").strip())
        position = match.end()
    if not commands:
        return [], code
    rest = code[position:]
    if not rest.strip() or rest.startswith("%%"):
        return commands, rest
    return commands, "#\n" * code.count("\n", 0, position) + rest


def command_at(code: str, cursor_pos: int) -> str | None:
    """What stands between `%tci` and the cursor, if the cursor is in such a line."""
    line = code[:cursor_pos].rpartition("\n")[2]
    match = re.match(r"[ \t]*%tci[ \t]+(.*)", line)
    return match[1] if match else None
