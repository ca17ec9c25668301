"""Completes a `%tci` line: sub-commands and options."""

from __future__ import annotations

import re
from typing import Any

from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from tci_kernel.magics.commands import tci

# What stands before the cursor since the last blank that is neither quoted nor escaped.
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"?|'[^']*'?)*$""")


def complete(line: str, cursor_pos: int) -> dict[str, Any]:
    """Complete the word at the cursor.

    Args:
        line: what stands between `%tci` and the cursor.
        cursor_pos: the cursor's position in the whole cell, in code points.

    Returns:
        the content of a `complete_reply`.
    """
    word = _word(line)
    items = ShellComplete(tci, {}, "%tci", "").get_completions(
        split_arg_string(line[: len(line) - len(word)]), "".join(split_arg_string(word))
    )
    start = cursor_pos - len(word)
    return {
        "status": "ok",
        "matches": [item.value for item in items],
        "cursor_start": start,
        "cursor_end": cursor_pos,
        "metadata": {
            "_jupyter_types_experimental": [_typed(item, start, cursor_pos) for item in items]
        },
    }


def _word(line: str) -> str:
    match = _WORD.search(line)
    return match[0] if match else ""


def _typed(item: CompletionItem, start: int, end: int) -> dict[str, Any]:
    return {
        "text": item.value,
        "type": "option" if item.value.startswith("-") else "command",
        "signature": "",
        "start": start,
        "end": end,
    }
