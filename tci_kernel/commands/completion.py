"""Completes and explains a `%tci` line: sub-commands, options, paths, variables on both sides."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from shlex import quote
from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from tci_kernel.commands.group import help_of
from tci_kernel.commands.parameters import (
    LOCAL_PATH,
    LOCAL_VARIABLE,
    REMOTE_PATH,
    REMOTE_VARIABLE,
)
from tci_kernel.commands.run import tci
from tci_kernel.remote.names import paths
from tci_kernel.transfer.names import path_names, variable_names

if TYPE_CHECKING:
    from tci_kernel.local_cells.names import LocalNames
    from tci_kernel.session.session import RemoteSession

# Characters of what a command does, beside its name.
LONGEST = 80

# What stands before the cursor since the last blank that is neither quoted nor escaped.
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"?|'[^']*'?)*$""")


async def complete(
    line: str, cursor_pos: int, session: RemoteSession | None, names: LocalNames | None
) -> dict[str, Any]:
    """Complete the word at the cursor.

    Args:
        line: what stands between `%tci` and the cursor.
        cursor_pos: the cursor's position in the whole cell, in code points.
        session: the session whose names are completed; None where it can't be asked.
        names: the variables on this computer, if there are any.

    Returns:
        the content of a `complete_reply`.
    """
    word = _word(line)
    start = cursor_pos - len(word)
    items = ShellComplete(tci, {}, "%tci", "").get_completions(
        split_arg_string(line[: len(line) - len(word)]), "".join(split_arg_string(word))
    )
    if word.startswith("--") and "=" in word:  # an option's value, which alone is completed
        start += word.index("=") + 1
    found = [(text, kind) for item in items for text, kind in await _texts(item, session, names)]
    typed = [
        {"text": text, "type": kind, "signature": "", "start": start, "end": cursor_pos}
        for text, kind in found
    ]
    return {
        "status": "ok",
        "matches": [text for text, _ in found],
        "cursor_start": start,
        "cursor_end": cursor_pos,
        "metadata": {"_jupyter_types_experimental": typed},
    }


def _word(line: str) -> str:
    match = _WORD.search(line)
    return match[0] if match else ""


async def _texts(
    item: CompletionItem, session: RemoteSession | None, names: LocalNames | None
) -> list[tuple[str, str]]:
    """What an item stands for, as it is typed, and of what kind it is or what it does."""
    typed = item.value
    match item.type:
        case LOCAL_PATH.kind:
            return [(quote(name), "path") for name in paths(typed)]
        case REMOTE_PATH.kind:
            return [(quote(name), "path") for name in await _there(path_names, session, typed)]
        case LOCAL_VARIABLE.kind:
            return [(name, "instance") for name in names.variables(typed)] if names else []
        case REMOTE_VARIABLE.kind:
            return [(name, "instance") for name in await _there(variable_names, session, typed)]
    return [(typed, _described(item))]


def _described(item: CompletionItem) -> str:
    """What a command or an option does, which clients show as its type."""
    made = tci.commands.get(item.value)
    return made.get_short_help_str(LONGEST) if made is not None else item.help or "option"


def inspect(line: str) -> dict[str, Any]:
    """What a line's command does.

    Args:
        line: what stands behind `%tci`.

    Returns:
        the content of an `inspect_reply`.
    """
    text = help_of((line.split() or [""])[0])
    data = {} if text is None else {"text/plain": text}
    return {"status": "ok", "found": bool(data), "data": data, "metadata": {}}


async def _there(
    names: Callable[[RemoteSession, str], Awaitable[list[str]]],
    session: RemoteSession | None,
    typed: str,
) -> list[str]:
    """The names in the session that begin so, if it can be asked."""
    return [] if session is None else await names(session, typed)
