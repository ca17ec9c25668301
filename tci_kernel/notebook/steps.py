"""The steps of a cell: its `%tci` lines, and the code between them, in their order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tci_kernel.core.errors import UsageError
from tci_kernel.core.lines import WORDS, local_cell, split, words_of
from tci_kernel.notebook.parsing import PYTHON_CELLS, parsed

# What a cell has that has any of it further down. Most have not, and are looked at no closer.
_MENTIONED = re.compile(r"%(?:tci|local)\b")

# A line of ours, wherever it stands.
_LINE = re.compile(
    r"^(?P<indent>[ \t]*)"
    rf"(?:%tci(?:{WORDS})?$|(?P<odd>\?*%{{1,2}}(?:tci|local)\b[^\n]*)$)",
    re.MULTILINE,
)
_CELL_MAGIC = re.compile(r"\s*(%%\w+)[^\n]*")
_CODE = re.compile(r"^[ \t]*[^\s#]", re.MULTILINE)

# Begins the name that takes the place of such a line where it is found out what it is to Python.
_MARK = "_tci_kernel_line_"

_INSTEAD = "Put it on a line of its own, not indented: what is above it runs first."
_BEGIN = "What is to run on this computer begins with the line %%local; '%%local --help' says more."


@dataclass(frozen=True, slots=True)
class Command:
    """A `%tci` line, without the `%tci`."""

    words: str


@dataclass(frozen=True, slots=True)
class Code:
    """Code, on the lines that it has in its cell."""

    text: str


def steps(code: str) -> Sequence[Command | Code]:
    """The steps of a cell.

    Args:
        code: as the user wrote it.

    Raises:
        UsageError: a `%tci` line, or `%local`, stands where it can't be run.
    """
    words, rest = split(code)
    commands = [Command(each) for each in words]
    local = local_cell(code)
    if not _MENTIONED.search(rest if local is None else local.body):
        return [*commands, Code(code if local else rest)]
    if local is None:
        return [*commands, *_parts("", rest)]
    # Each part is a cell that begins as this one does.
    return [*commands, *_parts(code[: len(local.head)], local.body)]


def _parts(head: str, code: str) -> Iterator[Command | Code]:
    """The steps of code, each part of it below the head that all have."""
    lines = _lines(code)
    start = 0
    for line in lines:
        above = code[start : line.start()]
        if _CODE.search(above):
            # So what is above is not the end of its cell, whose value would be shown.
            instead = f"{line['indent']}pass  # {line[0].strip().splitlines()[0]}"
            yield Code(head + _blank(code, start) + above + instead)
        yield Command(words_of(line["words"]) if line["odd"] is None else "help")
        start = line.end() + 1
    if not lines or _CODE.search(code[start:]):
        yield Code(head + _blank(code, start) + code[start:])


def _blank(code: str, end: int) -> str:
    """As many lines as there are above a place, so that those below it keep their numbers."""
    return "#\n" * code.count("\n", 0, end)


def _lines(code: str) -> list[re.Match[str]]:
    """The `%tci` lines of code that can be run.

    Raises:
        UsageError: there is one that can't be.
    """
    magic = _CELL_MAGIC.match(code)
    if magic is not None and magic[1] in ("%%tci", "%%local"):
        magic = None  # there is none of such a name
    if magic is not None and magic[1] not in PYTHON_CELLS:
        return []
    body = code if magic is None else "#" * len(magic[0]) + code[magic.end() :]
    tree = _tree(body)
    top = {_number(node) for node in tree.body}
    found = {_number(node) for node in ast.walk(tree)}
    for typed in filter(None, map(_value, ast.walk(tree))):
        raise UsageError(f"'{typed}' has no value.", advice=_INSTEAD)
    lines = {at: line for at, line in enumerate(_LINE.finditer(body)) if at in found}
    for at, line in lines.items():
        _check(line, "" if magic is None else magic[1], is_at_top=at in top)
    return [*lines.values()]


def _check(line: re.Match[str], magic: str, *, is_at_top: bool) -> None:
    """Check that a line of ours can be run.

    Args:
        line: the line.
        magic: the cell magic that it stands below; empty for none.
        is_at_top: whether it stands in no block.

    Raises:
        UsageError: it can't be run.
    """
    typed = line[0].strip()
    if line["odd"] is not None and not _asks_for_help(typed):
        raise _refusal(typed)
    if magic:
        advice = f"Put it above {magic}, or into a cell of its own."
        raise UsageError(f"'{typed}' can't stand in {magic}.", advice=advice)
    if not is_at_top:
        raise UsageError(f"'{typed}' stands in a block of code.", advice=_INSTEAD)


def _tree(code: str) -> ast.Module:
    """Code as Python sees it, in which a name stands for each line of ours; if it is none, empty.

    So text that looks like such a line, in a string for instance, is none. What can't be read is
    the session's to refuse.
    """
    number = iter(range(len(code)))

    def marked(line: re.Match[str]) -> str:
        return f"{line['indent']}{_MARK}{next(number)}" + "\n" * line[0].count("\n")

    return parsed(_LINE.sub(marked, code))


def _number(node: ast.AST) -> int | None:
    """Which line of ours a statement stands for."""
    name = node.value if isinstance(node, ast.Expr) else None
    if isinstance(name, ast.Name) and name.id.startswith(_MARK):
        return int(name.id.removeprefix(_MARK))
    return None


def _value(node: ast.AST) -> str | None:
    """What was typed, where the value of a line of ours is asked for, as in `a = %tci ls`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    words = [word.value for word in node.args if isinstance(word, ast.Constant)]
    if node.func.attr != "run_line_magic" or words[:1] not in (["tci"], ["local"]):
        return None
    return f"%{' '.join(map(str, words))}".strip()


def _asks_for_help(typed: str) -> bool:
    """Whether a line asks what `%tci` is, as IPython is asked about magics."""
    return re.fullmatch(r"\?{1,2}%{1,2}tci|%{1,2}tci\?{1,2}", typed.strip()) is not None


def _refusal(typed: str) -> UsageError:
    """What is said of lines that look like ours."""
    if typed.lstrip("?%").startswith("local"):
        return UsageError(f"'{typed}' can't stand here.", advice=_BEGIN)
    return UsageError(
        f"'{typed}' is no cell magic here: cells run in the session as they are.",
        advice="Leave it out; commands are lines of their own, such as '%tci ls'.",
    )
