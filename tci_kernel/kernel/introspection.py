"""What can be said about code without running it: is it complete, what fits, what is this."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import cache
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, TypeVar

from tci_kernel.notebook.parsing import PYTHON_CELLS, transformer
from tci_kernel.remote.completion import remove_broken_files

# Characters before the cursor that are analysed; parsing more would be felt while typing.
_SOURCE_LIMIT = 20_000

# Import lines that are kept of what lies before that: they stand at a notebook's top.
_IMPORT_LIMIT = 200

# Seconds for the kinds and signatures of completions. Those left over go without.
_DETAIL_LIMIT = 0.2

# A magic or shell line. An operator that continues a line has a space behind it.
_MAGIC = re.compile(r"^([ \t]*)(?:%%?(?:[^\W\d]|$)|!).*$", re.MULTILINE)

# Imports that stand on a line of their own.
_IMPORT = re.compile(r"^(?:import|from)[ ][^(\\\n]+$", re.MULTILINE)

_Found = TypeVar("_Found")


def is_complete(code: str) -> dict[str, Any]:
    """Whether a console should run what was typed, or offer another line.

    Args:
        code: the cell so far.

    Returns:
        The content of the `is_complete_reply`.
    """
    try:
        status, indent = transformer().check_complete(code)
    except Exception:  # noqa: BLE001 -- the tokenizer has many ways to refuse a text
        return {"status": "unknown"}
    if status != "incomplete":
        return {"status": status}
    return {"status": status, "indent": " " * (indent or 0)}


def static_completions(code: str, cursor_pos: int, context: str) -> dict[str, Any]:
    """Complete a name from the notebook's code alone; nothing of it is run.

    Args:
        code: the cell.
        cursor_pos: the cursor's place in it, in code points.
        context: the cells before it, joined.

    Returns:
        The content of the `complete_reply`. Without matches if anything goes wrong.
    """
    cursor = _within(code, cursor_pos)
    try:
        found = _analysed(_complete, code, cursor, context)
    except Exception:  # noqa: BLE001 -- jedi fails in any way; typing must go on, unlogged
        found = []
    return {
        "status": "ok",
        "matches": [match["text"] for match in found],
        "cursor_start": found[0]["start"] if found else cursor,
        "cursor_end": cursor,
        "metadata": {"_jupyter_types_experimental": found},
    }


def static_inspection(code: str, cursor_pos: int, context: str) -> dict[str, Any]:
    """Describe the object at the cursor from the notebook's code alone; nothing of it is run.

    Within the parentheses of a call that is the function, as in ipykernel.

    Args:
        code: the cell.
        cursor_pos: the cursor's place in it, in code points.
        context: the cells before it, joined.

    Returns:
        The content of the `inspect_reply`. Nothing is found if anything goes wrong.
    """
    try:
        text = _analysed(_inspect, code, _within(code, cursor_pos), context)
    except Exception:  # noqa: BLE001 -- jedi fails in any way; typing must go on, unlogged
        text = ""
    data = {"text/plain": text} if text else {}
    return {"status": "ok", "found": bool(text), "data": data, "metadata": {}}


def _analysed(
    analysis: Callable[[str, int, str], _Found], code: str, cursor: int, context: str
) -> _Found:
    """What an analysis finds, also where another process has broken what jedi keeps in files."""
    try:
        return analysis(code, cursor, context)
    except (EOFError, UnpicklingError):
        if not remove_broken_files():
            raise
        return analysis(code, cursor, context)


def _complete(code: str, cursor: int, context: str) -> list[dict[str, Any]]:
    """What fits at the cursor, as the entries of the experimental metadata."""
    before = _python(code)[:cursor]
    if not _is_python(code, cursor):
        return []
    completions = _script(before, context).complete()
    deadline = time.monotonic() + _DETAIL_LIMIT
    found = []
    for completion in completions:
        name = completion.name_with_symbols
        kind, signature = "", ""
        if time.monotonic() < deadline:
            kind, signature = _details(completion)
        if kind == "path":
            continue  # files of this machine, which are not those of the interpreter
        start = max(0, cursor - (len(name) - len(completion.complete)))
        found.append(
            {"start": start, "end": cursor, "text": name, "type": kind, "signature": signature}
        )
    # The protocol has one start for all of them.
    return [match for match in found if match["start"] == found[0]["start"]]


def _details(completion: Any) -> tuple[str, str]:
    """Kind and signature of a completion, the latter for functions alone, as in IPython."""
    kind: str = completion.type
    if kind != "function":
        return kind, ""
    signatures = completion.get_signatures()
    if not signatures:
        return kind, "(?)"
    return kind, "(" + signatures[0].to_string().partition("(")[2]


def _inspect(code: str, cursor: int, context: str) -> str:
    """The description of what is at the cursor, or nothing."""
    from IPython.utils.tokenutil import token_at_cursor  # noqa: PLC0415

    python = _python(code)
    name = token_at_cursor(python, cursor)
    if not name or not _is_python(code, cursor):
        return ""
    # The name takes the place of its line, so that it is looked up in the scope of that line.
    before, _, line = python[:cursor].rpartition("\n")
    indent = line[: len(line) - len(line.lstrip())]
    definitions = _script(f"{before}\n{indent}{name}", context).infer()
    return _description(definitions[0]) if definitions else ""


def _description(definition: Any) -> str:
    """An object in the words of IPython, as far as they can be known without running it."""
    parts = []
    if definition.type in {"function", "class"}:
        title = "Signature" if definition.type == "function" else "Init signature"
        parts += [f"{title}: {s.to_string()}" for s in definition.get_signatures()]
    docstring = definition.docstring(raw=True)
    if docstring:
        parts.append(f"Docstring:\n{docstring}")
    kind = definition.name if definition.type == "instance" else definition.type
    parts.append(f"Type: {'type' if kind == 'class' else kind}")
    return "\n".join(parts)


def _script(before: str, context: str) -> Any:
    """The code up to the cursor, for jedi, whose default place to look is the end."""
    jedi = _jedi()
    source = _capped(f"{_python(context)}\n{before}")
    # Without a project of its own jedi searches the directories above for one, and without an
    # environment it starts a process.
    project = jedi.Project(".", smart_sys_path=False)
    return jedi.Script(source, project=project, environment=jedi.InterpreterEnvironment())


def _capped(source: str) -> str:
    """The end of a long source from the start of a line, with the imports before it."""
    if len(source) <= _SOURCE_LIMIT:
        return source
    cut = source.find("\n", len(source) - _SOURCE_LIMIT) + 1 or len(source)
    imports = dict.fromkeys(_IMPORT.findall(source, 0, cut))
    return "\n".join([*list(imports)[-_IMPORT_LIMIT:], source[cut:]])


def _python(code: str) -> str:
    """Code with its magic and shell lines made harmless, each as long as it was."""
    return _MAGIC.sub(lambda line: line[1] + "0".ljust(len(line[0]) - len(line[1])), code)


def _is_python(code: str, cursor: int) -> bool:
    """Whether the cursor is in Python code, and not in a magic or in another language."""
    word = (code.split(maxsplit=1) or [""])[0]
    if word.startswith("%%") and word not in PYTHON_CELLS:
        return False
    line = code[:cursor].rpartition("\n")[2]
    return not _MAGIC.match(line)


def _within(code: str, cursor_pos: int) -> int:
    return max(0, min(cursor_pos, len(code)))


@cache
def _jedi() -> ModuleType:
    """Jedi, imported on first use and set up as IPython does."""
    import logging  # noqa: PLC0415

    import jedi  # type: ignore[import-untyped]  # noqa: PLC0415

    jedi.settings.case_insensitive_completion = False
    # Its parser logs what it parses.
    logging.getLogger("parso").setLevel(logging.WARNING)
    module: ModuleType = jedi
    return module
