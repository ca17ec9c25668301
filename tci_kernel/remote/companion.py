"""What the relay keeps in its interpreter: it tells what lives on of the user's cells.

It is sent as text and run once, before the first cell, in an ipykernel. It leaves no names behind.
"""

from __future__ import annotations

import asyncio
import glob
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.completion import remove_broken_files
    from tci_kernel.remote.lineage import record_shell
    from tci_kernel.remote.shared_names import COMPANION

MODULE = COMPANION

# The environment variable that names the pipe that ends with the relay's process.
LIFE = "_TCI_KERNEL_LIFE"

# Seconds from the beginning until completion is prepared, between the first cells.
COMPLETION_PAUSE = 0.3

# Packages whose tasks run in every ipykernel.
OWN = ("ipykernel", "tornado", "zmq", "anyio", "IPython", "jupyter_client")


class Told:
    """Says a text of itself, past the ways of display that code may have put in place."""

    def __init__(self, text: str) -> None:
        self._text = text

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        return {"text/plain": self._text}


class Companion:
    """Knows what there was before the first cell."""

    def __init__(self) -> None:
        life = os.environ.pop(LIFE, None)
        if life is not None:
            threading.Thread(target=end_with, args=(int(life),), daemon=True).start()
        self._threads = set(threading.enumerate())
        self._processes = child_processes()
        try:
            # It takes longer than a short cell does.
            asyncio.get_running_loop().call_later(COMPLETION_PAUSE, prepare_completion)
        except RuntimeError:  # there is no loop
            prepare_completion()

    def alive(self) -> int:
        """How many threads, tasks and processes of cells live on."""
        threads = [one for one in threading.enumerate() if one not in self._threads]
        threads = [one for one in threads if not is_own_thread(one)]
        processes = child_processes() - self._processes
        return len(threads) + len(processes) + count_tasks()

    def told_alive(self) -> Told:
        """That number, as what a shell says of it."""
        return Told(str(self.alive()))

    def told_usage(self) -> Told:
        """What the interpreter is and uses, as JSON: versions, bytes, seconds and what lives on."""
        usage = {
            "ipykernel": getattr(sys.modules.get("ipykernel"), "__version__", ""),
            "memory": resident_memory(),
            "cpu": time.process_time(),
            "alive": self.alive(),
        }
        return Told(json.dumps(usage))

    def set_number(self, number: int) -> None:
        """Number the next cell."""
        from IPython import get_ipython

        shell: Any = get_ipython()
        shell.execution_count = number
        for inputs in (
            shell.history_manager.input_hist_parsed,
            shell.history_manager.input_hist_raw,
        ):
            inputs.extend([""] * (number - len(inputs)))  # so that In[number] is the cell


def prepare_completion() -> None:
    """See to it that jedi can read its files; and load it, which who types would wait for."""
    with suppress(ImportError):  # without jedi, IPython completes without it
        remove_broken_files()


def end_with(life: int) -> None:
    """Wait until the other end of a pipe is closed, then end with all that cells have started."""
    if os.read(life, 1) == b"":
        os.killpg(os.getpgrp(), signal.SIGKILL)


def resident_memory() -> int:
    """Bytes of memory that the interpreter has now, or has had at most where only that is told."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, LookupError, ValueError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def count_tasks() -> int:
    """How many tasks of the user's run on this thread's event loop."""
    try:
        tasks = asyncio.all_tasks(asyncio.get_event_loop())
    except RuntimeError:  # there is no loop
        return 0
    return sum(not is_own(task.get_coro()) for task in tasks)


def is_own_thread(thread: threading.Thread) -> bool:
    """Whether a thread belongs to the interpreter: pyzmq starts one for large messages."""
    return is_own(type(thread)) or is_own(getattr(thread, "_target", None))


def is_own(function: object) -> bool:
    """Whether a function, a coroutine or a thread belongs to the interpreter itself."""
    frame: Any = getattr(function, "cr_frame", None)
    name = frame.f_globals.get("__name__") if frame else getattr(function, "__module__", None)
    return str(name).partition(".")[0] in OWN


def child_processes() -> set[str]:
    """The processes that this one has started, where the system tells."""
    found: set[str] = set()
    for path in glob.glob("/proc/%d/task/*/children" % os.getpid()):
        with suppress(OSError), open(path) as file:  # the thread may have ended meanwhile
            found.update(file.read().split())
    return found


if __name__ == MODULE:
    modules: Any = sys.modules  # it is called by its name there, and never imported
    modules[MODULE] = Companion()
    record_shell()
