"""Completes a `%tci` line: sub-commands, options, paths here and in the session."""

from __future__ import annotations

import asyncio
import re
from shlex import quote
from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from tci_kernel.errors import TCIError
from tci_kernel.files.remote import remote_names
from tci_kernel.link import CALL_LIMIT
from tci_kernel.magics.commands import tci
from tci_kernel.magics.paths import LOCAL, REMOTE, local_names

if TYPE_CHECKING:
    from tci_kernel.session import RemoteSession

# What stands before the cursor since the last blank that is neither quoted nor escaped.
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"?|'[^']*'?)*$""")


async def complete(line: str, cursor_pos: int, session: RemoteSession | None) -> dict[str, Any]:
    """Complete the word at the cursor.

    Args:
        line: what stands between `%tci` and the cursor.
        cursor_pos: the cursor's position in the whole cell, in code points.
        session: the session whose files are completed; None where it can't be asked.

    Returns:
        the content of a `complete_reply`.
    """
    word = _word(line)
    start = cursor_pos - len(word)
    items = ShellComplete(tci, {}, "%tci", "").get_completions(
        split_arg_string(line[: len(line) - len(word)]), "".join(split_arg_string(word))
    )
    found = [(text, kind) for item in items for text, kind in await _texts(item, session)]
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


async def _texts(item: CompletionItem, session: RemoteSession | None) -> list[tuple[str, str]]:
    """What an item stands for, as it is typed, and of what kind it is."""
    if item.type == LOCAL:
        return [(quote(name), "path") for name in local_names(item.value)]
    if item.type == REMOTE:
        return [(quote(name), "path") for name in await _remote_names(item.value, session)]
    return [(item.value, "option" if item.value.startswith("-") else "command")]


async def _remote_names(prefix: str, session: RemoteSession | None) -> list[str]:
    if session is None:
        return []
    try:
        async with asyncio.timeout(CALL_LIMIT):
            return await remote_names(session, prefix)
    except (TCIError, TimeoutError):  # typing goes on without
        return []
