"""Gives a script in the session what it would find around it as a program of its own.

It travels to the session as text, before that of `script`. All is put back when the script ends.
"""

from __future__ import annotations

import array
import asyncio
import atexit
import codecs
import fcntl
import io
import os
import stat
import sys
import termios
import threading
import time
import traceback
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping

ABSENT = object()

# Seconds for what programs have printed to be read, and between two looks.
PIPES_LIMIT = 1.0
PIPES_INTERVAL = 0.001


@contextmanager
def replaced(names: dict[str, Any], values: Mapping[str, Any]) -> Iterator[None]:
    """Have a namespace hold other values for a while, or none for a name (`ABSENT`)."""
    before = {name: names.get(name, ABSENT) for name in values}
    assign(names, values)
    try:
        yield
    finally:
        assign(names, before)


def assign(names: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Have a namespace hold values, or none for a name (`ABSENT`)."""
    for name, value in values.items():
        if value is ABSENT:
            names.pop(name, None)
        else:
            names[name] = value


@contextmanager
def without(names: dict[str, Any], unwanted: set[str]) -> Iterator[None]:
    """Take names out of a namespace for a while; what is bound to them meanwhile stays."""
    taken = {name: names.pop(name) for name in unwanted & names.keys()}
    try:
        yield
    finally:
        for name, value in taken.items():
            names.setdefault(name, value)


@contextmanager
def first_on_path(directory: str) -> Iterator[None]:
    """Have modules looked for in a directory first; in the current one if it is empty, else not."""
    place = sys.path.index("") if "" in sys.path else None
    if place is not None:
        del sys.path[place]
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        if directory in sys.path:
            sys.path.remove(directory)
        if place is not None:
            sys.path.insert(place, "")


@contextmanager
def without_running_loop() -> Iterator[None]:
    """Let code run event loops of its own: the interpreter runs it from within one."""
    running = asyncio._get_running_loop()
    if running is None:
        yield
        return
    tasks: Any = asyncio.tasks
    swap = getattr(tasks, "_swap_current_task", lambda _loop, _task: None)  # from 3.12 on
    task = swap(running, None)
    own = asyncio.new_event_loop()
    asyncio._set_running_loop(None)
    asyncio.set_event_loop(own)
    try:
        yield
    finally:
        own.close()
        asyncio.set_event_loop(running)
        asyncio._set_running_loop(running)
        swap(running, task)


class Binary(io.BufferedIOBase):
    """The `buffer` that an output stream of ipykernel's does not have.

    Args:
        stream: takes the bytes as text in UTF-8; what is none is replaced.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes; how many it were."""
        self._stream.write(self._decoder.decode(bytes(data)))
        return len(data)

    def flush(self) -> None:
        """Have what was written go out."""
        self._stream.flush()


class Endings:
    """Does at a script's end what Python does at that of a program.

    Args:
        namespace: the script's.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._threads = set(threading.enumerate())
        self._kept: list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]] = []
        self._ways = atexit.register, atexit.unregister

    def register(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """`atexit.register`: what a library registers is for the end of the interpreter."""
        if sys._getframe(1).f_globals is not self._namespace:
            return self._ways[0](function, *args, **kwargs)
        self._kept.append((function, args, kwargs))
        return function

    def unregister(self, function: Any) -> None:
        """`atexit.unregister`."""
        self._kept = [one for one in self._kept if one[0] != function]
        self._ways[1](function)

    def come(self) -> None:
        """Wait for threads and processes of the script, and call what it has registered."""
        self._join_threads()
        self._join_processes()
        while self._kept:
            function, args, kwargs = self._kept.pop()
            try:
                function(*args, **kwargs)
            except Exception:  # noqa: BLE001 - the others are still called
                traceback.print_exc()

    def _join_threads(self) -> None:
        pool: Any = sys.modules.get("concurrent.futures.thread")
        queues = dict(pool._threads_queues) if pool is not None else {}
        new = [one for one in threading.enumerate() if one not in self._threads and not one.daemon]
        if pool is not None:
            pool._shutdown = True  # so that a worker ends when nothing is left to do
        try:
            for thread in new:
                if thread in queues:
                    queues[thread].put(None)
            for thread in new:
                thread.join()
        finally:
            if pool is not None:
                pool._shutdown = False

    def _join_processes(self) -> None:
        module: Any = sys.modules.get("multiprocessing")
        for process in module.active_children() if module is not None else ():
            if process.daemon:
                process.terminate()
            process.join()


def await_programs() -> None:
    """Wait until what programs of the script have printed is read: ipykernel has pipes for it."""
    deadline = time.monotonic() + PIPES_LIMIT
    for pipe in (1, 2):
        if stat.S_ISFIFO(os.fstat(pipe).st_mode):
            time.sleep(PIPES_INTERVAL)
            while is_filled(pipe) and time.monotonic() < deadline:
                time.sleep(PIPES_INTERVAL)


def is_filled(pipe: int) -> bool:
    """Whether something is in a pipe, given by either end."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0] > 0


def show_thread_error(error: Any) -> None:
    """As `threading.excepthook`, with lines of the script, whose file that would not find."""
    if error.exc_type is not SystemExit:
        name = error.thread.name if error.thread is not None else threading.get_ident()
        sys.stderr.write("Exception in thread %s:\n" % name)
        traceback.print_exception(error.exc_type, error.exc_value, error.exc_traceback)
