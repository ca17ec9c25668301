"""How objects are pickled for which pickle has no way of its own, and which never are.

It travels to the session as text, after that of `rebuilding` and before that of `pickling`. It may
meet any Python from 3.8 on.
"""

from __future__ import annotations

import contextvars
import functools
import pickle
import re
import sys
import threading
import weakref
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.rebuilding import (
        STATE_MODULE,
        attribute,
        make_cached,
        make_exception,
        make_lock,
        make_match,
        make_reference,
        make_storage,
        make_typed_storage,
        make_variable,
        make_view,
        make_weak,
        set_exception,
        set_gradient,
    )

# Kinds that pickle would take, or copy, without what they are for.
NEVER = {
    "_io.TextIOWrapper": "an open file",
    "_io.BufferedReader": "an open file",
    "_io.BufferedWriter": "an open file",
    "_io.BufferedRandom": "an open file",
    "_io.FileIO": "an open file",
    "builtins.generator": "a generator, whose place in its code can't be carried",
    "builtins.coroutine": "a coroutine, whose place in its code can't be carried",
    "builtins.async_generator": "a generator, whose place in its code can't be carried",
    "builtins.frame": "a frame of running code",
    "builtins.traceback": "the traceback of an error",
    "concurrent.futures.process.ProcessPoolExecutor": "a pool of processes",
    "concurrent.futures.thread.ThreadPoolExecutor": "a pool of threads",
    "contextvars.Context": "a context of variables",
    "mmap.mmap": "a file in memory",
    "multiprocessing.pool.Pool": "a pool of processes",
    "socket.socket": "a connection",
    "sqlite3.Connection": "a connection to a database",
    "sqlite3.Cursor": "a connection to a database",
    "ssl.SSLSocket": "a connection",
    "subprocess.Popen": "a process",
    "tempfile.TemporaryDirectory": "a temporary directory",
    "tempfile._TemporaryFileWrapper": "an open file",
    "threading.Thread": "a thread",
    "torch.jit._script.ScriptModule": "a compiled model, which torch.jit.save writes into a file",
    "unittest.mock.NonCallableMock": "a stand-in for tests",
    "weakref.finalize": "what is to be done at the end of an object",
}

RLOCK = type(threading.RLock())
LOCK = type(threading.Lock())


def kind_of(value: Any) -> str:
    """The full name of a value's type."""
    return "%s.%s" % (type(value).__module__, type(value).__qualname__)


def why_never(value: Any) -> str:
    """Why a value is never pickled, whatever pickle says; empty if it may be."""
    for kind in type(value).__mro__:
        name = "%s.%s" % (kind.__module__, kind.__qualname__)
        if name == STATE_MODULE + ".Lost":
            return str(value.text)
        if name in NEVER:
            return NEVER[name]
    return ""


def is_array(value: Any) -> bool:
    """Whether a value is an array of NumPy's, and none of its subclasses."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def special_reduction(value: Any, arrays: dict[int, Any], storages: dict[int, Any]) -> Any:
    """How a value is made again for which pickle has no way; None of any other.

    Args:
        value: it.
        arrays: those that variables stand for: a view of one of them stays one.
        storages: the memory of tensors that was found so far, by its address; added to.
    """
    reduction = SPECIAL.get(type(value))
    if reduction:
        return reduction(value)
    if isinstance(value, BaseException):
        return of_exception(value)
    if is_array(value) and id(value.base) in arrays:
        return of_view(value)
    return of_torch(value, storages) or of_single(value)


def of_single(value: Any) -> Any:
    """What each process has one of; None of anything else."""
    for name in ("stdin", "stdout", "stderr"):
        if value is getattr(sys, name):
            return attribute, ("sys", name)
    ipython = sys.modules.get("IPython")
    if ipython is not None and value is ipython.get_ipython():
        return ipython.get_ipython, ()
    return None


def of_exception(error: BaseException) -> Any:
    """An exception whose class has no way of its own; its traceback stays behind."""
    if type(error).__reduce__ not in (BaseException.__reduce__, OSError.__reduce__):
        return None
    names = ("__cause__", "__context__", "__suppress_context__")
    state = {**error.__dict__, **{name: getattr(error, name) for name in names}}
    arguments = error.__reduce__()[1]  # OSError's have more than its `args`
    return make_exception, (type(error), arguments), state, None, None, set_exception


def of_view(array: Any) -> Any:
    """An array that lies in another one's memory."""
    base = array.base
    offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    if not base.flags.c_contiguous or offset < 0 or array.dtype.hasobject:
        return None
    return make_view, (base, offset, array.shape, array.strides, array.dtype)


def of_torch(value: Any, storages: dict[int, Any]) -> Any:
    """A tensor of PyTorch with a gradient, or the memory of tensors; None of anything else.

    PyTorch pickles neither the gradient nor that tensors share their memory.
    """
    names = ["%s.%s" % (kind.__module__, kind.__qualname__) for kind in type(value).__mro__]
    has_numpy = "numpy" in sys.modules  # PyTorch does without, and gives no bytes then
    if "torch.storage.TypedStorage" in names and has_numpy:
        untyped = value._untyped_storage
        # Each time that it is asked for, it may be another object.
        return make_typed_storage, (storages.setdefault(untyped._cdata, untyped), value.dtype)
    if "torch.storage.UntypedStorage" in names and has_numpy:
        torch: Any = sys.modules["torch"]
        data = torch.tensor([], dtype=torch.uint8, device=value.device).set_(value).cpu()
        return make_storage, (pickle.PickleBuffer(data.numpy()), value.device)
    if "torch.Tensor" in names and value.is_leaf and value.grad is not None:
        make, arguments = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        return make, arguments, value.grad, None, None, set_gradient
    return None


def of_cached(function: Any) -> Any:
    """A function with an `lru_cache`."""
    parameters = function.cache_parameters()
    members = {
        name: value for name, value in function.__dict__.items() if name != "cache_parameters"
    }
    arguments = (function.__wrapped__, parameters["maxsize"], parameters["typed"])
    return make_cached, arguments, members


def of_match(match: Any) -> Any:
    """A match of a regular expression."""
    return make_match, (match.re, match.string, (match.pos, match.endpos), match.span())


def of_variable(variable: Any) -> Any:
    """A context variable."""
    values = [variable.get()] if variable in contextvars.copy_context() else []
    return make_variable, (variable.name, values)


def weak(name: str) -> Callable[[Any], Any]:
    """How one of the collections of `weakref` is pickled."""
    return lambda value: (
        make_weak,
        (name, [*value] if name == "WeakSet" else [*value.items()]),
    )


SPECIAL: dict[type, Callable[[Any], Any]] = {
    LOCK: lambda _: (make_lock, ("Lock",)),
    RLOCK: lambda _: (make_lock, ("RLock",)),
    weakref.ref: lambda value: (make_reference, (value(),)),
    weakref.WeakKeyDictionary: weak("WeakKeyDictionary"),
    weakref.WeakValueDictionary: weak("WeakValueDictionary"),
    weakref.WeakSet: weak("WeakSet"),
    functools._lru_cache_wrapper: of_cached,
    re.Match: of_match,
    contextvars.ContextVar: of_variable,
}
