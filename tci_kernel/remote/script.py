"""Runs a script in the session as Python does: its arguments, its status, its tracebacks.

It is sent as text, after that of `standard_input` and `surroundings`, in a namespace that holds the
arguments of `run` as JSON (`REQUEST`) and the session's own namespace (`USER`), in which the script
runs. It may meet any Python from 3.7 on, with IPython or without.
"""

from __future__ import annotations

import atexit
import builtins
import json
import linecache
import os
import site
import sys
import threading
import traceback
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, ContextManager, Iterator

# The module's name in the session.
MODULE = "_tci_kernel_script"

if __name__ != MODULE:
    from tci_kernel.remote.standard_input import ask_for_line, standard_input
    from tci_kernel.remote.surroundings import (
        ABSENT,
        Binary,
        Endings,
        await_programs,
        first_on_path,
        replaced,
        show_thread_error,
        without,
        without_running_loop,
    )

# Modules that a script calls without knowing, where it prints or reads.
UNSEEN = {MODULE, "IPython.core.interactiveshell", "ipykernel.iostream"}

# What a module has in Python too.
PYTHONS = {"__%s__" % name for name in ("builtins", "doc", "loader", "name", "package", "spec")}

FAILED = 1
INTERRUPTED = 130


class ScriptEnded(Exception):
    """Tells whoever runs the script of its status, which is its text, unless that is 0."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of it, which nobody reads."""
        return ["%s: %s" % (type(self).__name__, self)]


def run(source: str, argv: list[str], path: str, *, is_ipython: bool, is_terminal: bool) -> int:
    """Run a script.

    Args:
        source: its text.
        argv: what it finds in `sys.argv`.
        path: its file, which need not be there; empty if it is from none.
        is_ipython: whether it may have IPython's magics.
        is_terminal: whether somebody types its standard input.

    Returns:
        the status that Python would end with.
    """
    namespace: dict[str, Any] = globals()["USER"]
    shell = find_shell()
    path = os.path.abspath(path) if path else ""
    filename = path or {"-c": "<string>", "-": "<stdin>"}[argv[0]]
    if path:
        lines = source.splitlines(True)
        linecache.cache[path] = (len(source), None, lines, path)
    if is_ipython:
        source = shell.input_transformer_manager.transform_cell(source)
    endings = Endings(namespace)
    with ExitStack() as stack:
        for surrounding in surroundings(namespace, shell, argv, path, endings):
            stack.enter_context(surrounding)
        stack.enter_context(given_input(shell, is_terminal=is_terminal))
        try:
            status = status_of(source, filename, namespace)
            endings.come()
        except KeyboardInterrupt:
            status = INTERRUPTED
        await_programs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    return status


def find_shell() -> Any:
    """The IPython that runs this session; None if none does."""
    ipython: Any = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def surroundings(
    namespace: dict[str, Any],
    shell: Any,
    argv: list[str],
    path: str,
    endings: Endings,
) -> Iterator[ContextManager[None]]:
    """What is put around a script, piece by piece.

    Args:
        namespace: the script's.
        shell: the IPython that runs the session, or None.
        argv: as of `run`.
        path: as of `run`, in full.
        endings: keeps what it registers.
    """
    yield replaced(vars(sys), {"argv": argv, "excepthook": show_error})
    yield replaced(vars(threading), {"excepthook": show_thread_error})
    yield replaced(namespace, {"__name__": "__main__", "__doc__": None})
    if path:
        yield replaced(namespace, {"__file__": path})
    yield first_on_path(os.path.dirname(path))
    if shell is not None:
        yield without(namespace, shell.user_ns_hidden.keys() - PYTHONS)
        yield replaced(vars(sys), {"displayhook": sys.__displayhook__})
        yield replaced(vars(builtins), dict.fromkeys(("_", "exit", "quit"), ABSENT))
        site.setquit()
    yield replaced(vars(atexit), {"register": endings.register, "unregister": endings.unregister})
    for stream in (sys.stdout, sys.stderr):
        if not hasattr(stream, "buffer"):
            yield replaced(vars(stream), {"buffer": Binary(stream)})
    yield without_running_loop()


@contextmanager
def given_input(shell: Any, *, is_terminal: bool) -> Iterator[None]:
    """Let a script read what whoever runs it types, where IPython's kernel can ask for that.

    Args:
        shell: the IPython that runs the session, or None.
        is_terminal: as of `run`.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        yield
        return
    stdin = standard_input(kernel.raw_input, is_terminal=is_terminal)
    with replaced(vars(sys), {"stdin": stdin}), replaced(vars(builtins), {"input": ask_for_line}):
        yield


def status_of(source: str, filename: str, namespace: dict[str, Any]) -> int:
    """Run code in a namespace, and tell of its errors as Python does; gives its status."""
    try:
        exec(compile(source, filename, "exec", dont_inherit=True), namespace)  # noqa: S102
    except BaseException as caught:  # noqa: BLE001 - the boundary where Python itself catches it
        error = caught
    else:
        return 0
    sys.stdout.flush()
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return int(error.code or 0) & 0xFF
        sys.stderr.write("%s\n" % (error.code,))
        return FAILED
    if isinstance(error, SyntaxError) and error.filename == filename and error.text is None:
        error.text = linecache.getline(filename, error.lineno or 0) or None
    tell(error)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED


def tell(error: BaseException) -> None:
    """Have the script's own hook, or Python's, show an error that nobody has caught."""
    shown = type(error), error, users_part(error.__traceback__)
    try:
        sys.excepthook(*shown)
    except BaseException as other:  # noqa: BLE001 - as Python catches it
        sys.stderr.write("Error in sys.excepthook:\n")
        show_error(type(other), other, users_part(other.__traceback__))
        sys.stderr.write("\nOriginal exception was:\n")
        show_error(*shown)


def show_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an error, with lines of the script, whose file Python itself would not find."""
    traceback.print_exception(kind, error, trace)


def users_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without what stands before the script, and behind where it prints or reads."""
    while trace is not None and is_unseen(trace):
        trace = trace.tb_next
    last = trace
    while last is not None and last.tb_next is not None:
        if is_unseen(last.tb_next):
            last.tb_next = None
        last = last.tb_next
    return trace


def is_unseen(trace: TracebackType) -> bool:
    """Whether an entry of a traceback is in a module that the script does not know of."""
    return trace.tb_frame.f_globals.get("__name__") in UNSEEN


if __name__ == MODULE:
    ended_with = run(**json.loads(globals()["REQUEST"]))
    if ended_with:
        raise ScriptEnded(ended_with)
