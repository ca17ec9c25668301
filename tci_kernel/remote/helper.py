"""Brings back what the wire between the interpreter and the kernel loses.

This file is sent as text and runs once in each session. It hooks the IPython that runs it, so that
what an answer can't carry comes along inside `display_data`, under one MIME type of the kernel's
own: errors in their parts, metadata, display ids and updates, cleared output, payloads and the
execution count. Where there is no IPython it only says where it is.

It may meet IPython 7 to 9 and Pythons from 3.7 on. It leaves no names, no outputs and no counts.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import sys
import threading
import time
from typing import Any

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.completion import warm_up
    from tci_kernel.remote.lineage import record_shell
    from tci_kernel.remote.shared_names import COMPANION
    from tci_kernel.remote.traces import find_shell, forget_this_cell, number_of_this_cell

MIME = "application/vnd.tci-kernel+json"
MODULE = "_tci_kernel"

# Before the directory that plain Python is in.
ORIGIN = "tci-kernel:origin"

# Ends code that the user did not run: it is kept out of the history and moves no count.
HIDDEN = "\n#tci-kernel:hidden"

# Ends code that more of the same cell follows: it is kept out of the history too, and not numbered.
PART = "\n#tci-kernel:part"

# The function by which VS Code runs code in a thread, and the seconds that the thread may take: it
# waits 2 s for completions and 5 s for the rest.
BACKGROUND = "__jupyter_exec_background__"
THREADS_LIMIT = 5.0

# Seconds after which a session loads what completion needs: the first cell, which is often there at
# once, does not wait for it.
WARM_UP_AFTER = 1.0

# Whether Python fails where two threads make syntax trees at once: gh-106905, mended in 3.11.8 and
# 3.12.2. A cell makes some, and so does what completes.
ONE_PARSES = (3, 11) <= sys.version_info < (3, 11, 8) or (3, 12) <= sys.version_info < (3, 12, 2)

NO_INPUT = (
    "input() can't ask: a code interpreter has no way to ask back.\n"
    "Put the value into the cell instead."
)


class Helper:
    """What is hooked into an IPython shell, and what the kernel calls."""

    def __init__(self, shell):
        self.shell = shell
        self.sender = sender_of(shell)
        self.hidden = False
        self.shown_error = False
        self.background = False
        self.inside = False
        self.threads = set()
        self.parsing = threading.Lock()
        self.begin_warming()
        self.publish = shell.display_pub.publish
        self.hook_running()
        self.hook_displays()
        self.hook_errors()
        self.hook_tracebacks()
        self.hook_input()
        shell.events.register("post_run_cell", self.after_cell)

    def begin_warming(self):
        """Have what completion needs loaded soon, on a thread of its own."""
        self.warming = threading.Timer(WARM_UP_AFTER, self.warm_up)
        self.warming.daemon = True
        self.warming.start()

    def warm_up(self):
        """Load it; where it can't stand beside code, once none runs."""
        if not ONE_PARSES:
            warm_up()
        elif self.parsing.acquire(blocking=False):
            try:
                warm_up()
            finally:
                self.parsing.release()
        else:
            self.begin_warming()

    def emit(self, kind, **fields):
        """Send something to the kernel."""
        self.publish({MIME: dict(fields, kind=kind)}, {})

    def is_aside(self):
        """Whether what runs was sent live, by exchanges: its messages are shown as they are.

        Where the interpreter is used so, the companion is there as well. All other code comes from
        the same sender as the helper: the service.
        """
        return COMPANION in sys.modules and sender_of(self.shell) != self.sender

    # -- hooks -------------------------------------------------------------------------------

    def hook_running(self):
        """Keep hidden code out of the history and its counts."""
        for name in ("run_cell", "run_cell_async"):
            original = getattr(self.shell, name, None)
            if original is not None:
                setattr(self.shell, name, self.hiding(original))

    def hiding(self, original):
        """Wrap a method that runs a cell. Its signature, which ipykernel reads, stays visible."""

        @functools.wraps(original)
        def run(raw_cell, *args, **kwargs):
            if self.inside:  # one of the methods calls the other
                return original(raw_cell, *args, **kwargs)
            self.shown_error = False
            self.threads = set(threading.enumerate())
            self.hidden = raw_cell.endswith(HIDDEN)
            self.background = self.hidden and BACKGROUND in raw_cell
            is_part = raw_cell.endswith(PART)
            if self.hidden or is_part:
                raw_cell = raw_cell[: -len(PART if is_part else HIDDEN)]
                args = ()
                kwargs["store_history"] = False
            self.inside = True
            try:
                with self.parsing if ONE_PARSES else contextlib.nullcontext():
                    return original(raw_cell, *args, **kwargs)
            finally:
                self.inside = False

        return run

    def hook_displays(self):
        """Put beside a display's data what the wire would drop."""
        publish, clear = self.publish, self.shell.display_pub.clear_output

        @functools.wraps(publish)
        def publish_all(data, metadata=None, *args, transient=None, update=False, **kwargs):
            if self.is_aside():
                return publish(data, metadata, *args, transient=transient, update=update, **kwargs)
            data = with_extras(
                "display", data, metadata=metadata, transient=transient, update=update
            )
            return publish(data, metadata, *args, **kwargs)

        def clear_output(wait=False):
            if self.is_aside():
                clear(wait)
            else:
                self.emit("clear", wait=bool(wait))

        self.shell.display_pub.publish = publish_all
        self.shell.display_pub.clear_output = clear_output
        hook = self.shell.displayhook
        write = hook.write_format_data

        @functools.wraps(write)
        def write_all(format_dict, md_dict=None):
            if self.is_aside():
                return write(format_dict, md_dict)
            return write(with_extras("result", format_dict, metadata=md_dict), md_dict)

        hook.write_format_data = write_all

    def hook_errors(self):
        """Send an error in its parts, before the text that stands for it."""
        show = self.shell._showtraceback

        @functools.wraps(show)
        def show_all(etype, evalue, stb):
            self.shown_error = True
            if not self.is_aside():
                self.emit("error", ename=etype.__name__, evalue=str(evalue), traceback=list(stb))
            return show(etype, evalue, stb)

        self.shell._showtraceback = show_all

    def hook_tracebacks(self):
        """Leave what stands in this file out of tracebacks."""
        show = self.shell.showtraceback

        @functools.wraps(show)
        def show_users(*args, **kwargs):
            cut_own_frames(sys.exc_info()[2])
            return show(*args, **kwargs)

        self.shell.showtraceback = show_users

    def hook_input(self):
        """Say why input fails, in words that a reader understands."""
        kernel = getattr(self.shell, "kernel", None)
        if kernel is None:
            return
        from IPython.core.error import StdinNotImplementedError

        def refusing(ask):
            def ask_or_refuse(*args, **kwargs):
                if self.is_aside():
                    return ask(*args, **kwargs)
                raise StdinNotImplementedError(NO_INPUT)

            return ask_or_refuse

        kernel.raw_input = refusing(kernel.raw_input)
        kernel.getpass = refusing(kernel.getpass)

    def after_cell(self, result=None):
        """Tell the kernel what a cell leaves behind: the next count, payloads, a silent failure."""
        if self.background:
            self.await_threads()
        if self.hidden or self.is_aside():
            return
        failure = None
        error = getattr(result, "error_before_exec", None) or getattr(result, "error_in_exec", None)
        if error is not None and not self.shown_error:
            # IPython prints some errors, such as a misspelt magic's, as plain text.
            failure = {"ename": type(error).__name__, "evalue": str(error), "traceback": []}
        # ipykernel also counts a value that can't be shown.
        unshown = getattr(self.shell, "_last_traceback_during_displayhook", False)
        self.emit(
            "end",
            count=self.shell.execution_count,
            payload=self.shell.payload_manager.read_payload(),
            failed=error is not None or unshown,
            failure=failure,
        )

    def await_threads(self):
        """Wait for what the cell began in threads: an answer ends with its cell."""
        deadline = time.monotonic() + THREADS_LIMIT
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(max(0, deadline - time.monotonic()))

    # -- what the kernel calls ---------------------------------------------------------------

    def call(self, request):
        """Answer a request, given as JSON: the name of a method and its arguments."""
        name, arguments = json.loads(request)
        content = getattr(self, "do_" + name)(**arguments)
        self.emit("reply", content=content)

    def do_set_count(self, count):
        """Number the next cell."""
        self.shell.execution_count = count

    def do_complete(self, code, cursor_pos):
        """Completions, as ipykernel gives them."""
        self.warming.cancel()  # if it has not begun
        self.warming.join()
        return result_of(self.shell.kernel.do_complete(code, cursor_pos))

    def do_inspect(self, code, cursor_pos, detail_level):
        """What is known of the name at the cursor, as ipykernel gives it."""
        return result_of(self.shell.kernel.do_inspect(code, cursor_pos, detail_level))

    def do_user_expressions(self, expressions):
        """The values of expressions, as ipykernel gives them."""
        return self.shell.user_expressions(expressions)


def sender_of(shell):
    """Who has sent the running request, by an id; empty where nobody knows."""
    parent = getattr(shell, "parent_header", None)
    header = parent.get("header") if isinstance(parent, dict) else None
    return header.get("session", "") if isinstance(header, dict) else ""


def cut_own_frames(traceback):
    """End a traceback where the user's code called a function of this file."""
    while traceback is not None and traceback.tb_next is not None:
        if traceback.tb_next.tb_frame.f_globals.get("__name__") == MODULE:
            traceback.tb_next = None
        traceback = traceback.tb_next


def with_extras(kind, data, **extras):
    """A MIME bundle, with what the wire would drop in an entry of the kernel's own."""
    extras["data"] = {mime: value for mime, value in data.items() if is_dropped(mime, value)}
    extras = {name: value for name, value in extras.items() if value}
    if not extras:
        return data
    kept = {mime: value for mime, value in data.items() if not is_dropped(mime, value)}
    kept[MIME] = dict(extras, kind=kind)
    return kept


def is_dropped(mime, value):
    """Whether the wire has no place for a value: JSON is an object there, text is one string."""
    if mime == "application/json":
        return not isinstance(value, dict)
    return mime.startswith("text/") and not isinstance(value, str)


def result_of(result):
    """The result of a method that may be a coroutine, but waits for nothing."""
    if not inspect.isawaitable(result):
        return result
    steps = result.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("it waits for something")


def install():
    """Hook this session's IPython, once, and say so."""
    shell = find_shell()
    if shell is None:  # plain Python: cells are read by the bare contract
        print(json.dumps({ORIGIN: os.getcwd()}))
        return
    forget_this_cell(shell)
    modules: Any = sys.modules  # it is called by its name there, and never imported
    helper = modules[MODULE] = modules.get(MODULE) or Helper(shell)
    record_shell()
    helper.hidden = True
    helper.emit("reply", content={"count": number_of_this_cell(shell)})


if __name__ == MODULE:
    install()
