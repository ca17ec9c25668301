"""Makes again what pickle alone can't: saved objects name these functions, which a load calls.

It travels to the session as text before that of `saving` and `loading`, which register them as a
module of its own. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import threading
import types
import weakref
from contextvars import ContextVar
from typing import Any, Callable, Iterable

# The module that saved objects find the functions in.
STATE_MODULE = "_tci_kernel_state"

# The module that cloudpickle is brought along as, whatever the session has of its own.
CLOUDPICKLE = "_tci_kernel_cloudpickle"


def user_namespace() -> dict[str, Any]:
    """The user's variables: the namespace that the call was run in."""
    namespace: dict[str, Any] = globals()["USER"]
    return namespace


class Lost:
    """Stands where something was that could not be saved.

    Args:
        text: what it was.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "<not saved: %s>" % self.text


def make_lost(text: str) -> Lost:
    """What stands for something that could not be saved."""
    return Lost(text)


def look_up(name: str) -> Any:
    """What a top-level name of the user's stands for, which is loaded before all that needs it."""
    return user_namespace()[name]


def make_function(code: types.CodeType, closure: Any) -> types.FunctionType:
    """A function whose globals are the user's variables, as those of functions in cells are."""
    return types.FunctionType(code, user_namespace(), code.co_name, None, closure)


def set_function(function: types.FunctionType, state: Any) -> None:
    """Give a function what it had besides its code: see cloudpickle's `_function_getstate`."""
    attributes, members = state
    function.__dict__.update(attributes)
    for name in ("__globals__", "_cloudpickle_submodules"):
        members.pop(name, None)
    cells = zip(function.__closure__ or (), members.pop("__closure__", None) or ())  # noqa: B905
    for own, cell in cells:
        with contextlib.suppress(ValueError):  # it is empty
            own.cell_contents = cell.cell_contents
    for name, value in members.items():
        setattr(function, name, value)


def make_exception(kind: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """An exception, without what its `__init__` would make of other arguments."""
    return kind.__new__(kind, *arguments)


def set_exception(error: BaseException, state: dict[str, Any]) -> None:
    """Give an exception its attributes, its cause and its context."""
    for name in ("__cause__", "__context__", "__suppress_context__"):
        setattr(error, name, state.pop(name))
    error.__dict__.update(state)


def make_cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """A function with an `lru_cache`, which is empty."""
    return functools.lru_cache(maxsize, typed)(function)


def make_lock(name: str) -> Any:
    """A lock that nobody holds: `Lock` or `RLock`."""
    return getattr(threading, name)()


def make_reference(target: Any) -> Any:
    """A weak reference; None to something that is gone."""
    return (lambda: None) if target is None else weakref.ref(target)


def make_weak(name: str, items: Iterable[Any]) -> Any:
    """One of the collections of `weakref`. What it refers to lives where something else does."""
    collection: Any = getattr(weakref, name)()
    for item in items:
        collection.add(item) if name == "WeakSet" else collection.__setitem__(*item)
    return collection


def make_match(pattern: re.Pattern[Any], text: Any, bounds: Any, span: Any) -> Any:
    """The match of a pattern, which is made again the way that it came about."""
    for way in (pattern.match, pattern.fullmatch, pattern.search):
        match = way(text, *bounds)
        if match is not None and match.span() == span:
            return match
    return pattern.search(text, *span)


def make_variable(name: str, values: list[Any]) -> ContextVar[Any]:
    """A context variable, with its value if it had one."""
    variable: ContextVar[Any] = ContextVar(name)
    for value in values:
        variable.set(value)
    return variable


def make_view(base: Any, offset: int, shape: Any, strides: Any, dtype: Any) -> Any:
    """An array that shares its memory with another one."""
    numpy = sys.modules["numpy"]
    return numpy.ndarray(shape, dtype, base, offset, strides)


def make_storage(data: Any, device: Any) -> Any:
    """The memory of tensors of PyTorch; a copy, since what others own can't be resized."""
    torch: Any = __import__("torch")
    numpy: Any = __import__("numpy")
    tensor = torch.from_numpy(numpy.frombuffer(data, numpy.uint8).copy())
    return tensor.to(device).untyped_storage()


def make_typed_storage(storage: Any, dtype: Any) -> Any:
    """The memory of tensors as one of them reads it."""
    torch: Any = __import__("torch")
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def set_gradient(tensor: Any, gradient: Any) -> None:
    """Give a tensor its gradient."""
    tensor.grad = gradient


def attribute(module: str, name: str) -> Any:
    """Something that is there once, such as `sys.stdout`."""
    __import__(module)
    return getattr(sys.modules[module], name)


REBUILDERS: list[Any] = [
    *(Lost, make_lost, look_up, make_function, set_function, make_exception, set_exception),
    *(make_cached, make_lock, make_reference, make_weak, make_match, make_variable, make_view),
    *(make_storage, make_typed_storage, set_gradient, attribute),
]


def register(cloudpickle: str) -> Any:
    """Have the modules that saved objects need; gives cloudpickle's.

    Args:
        cloudpickle: its text.
    """
    module = types.ModuleType(STATE_MODULE)
    for rebuilder in REBUILDERS:
        rebuilder.__module__ = STATE_MODULE
        setattr(module, rebuilder.__name__, rebuilder)
    sys.modules[STATE_MODULE] = module
    if CLOUDPICKLE not in sys.modules:
        brought = types.ModuleType(CLOUDPICKLE)
        exec(compile(cloudpickle, "<cloudpickle>", "exec"), brought.__dict__)
        sys.modules[CLOUDPICKLE] = brought
    return sys.modules[CLOUDPICKLE]
