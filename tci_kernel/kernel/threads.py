"""Subshells and the control channel have threads of their own; the session has the main one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar, cast

_Method = TypeVar("_Method", bound=Callable[..., Coroutine[Any, Any, Any]])


def on_main_thread(method: _Method) -> _Method:
    """Have a method run on the event loop of the main thread, `self.loop`, whoever calls it.

    It runs in the caller's context: what it publishes belongs to the caller's request.
    """

    @wraps(method)
    async def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            return await method(self, *args, **kwargs)
        running = asyncio.run_coroutine_threadsafe(method(self, *args, **kwargs), self.loop)
        return await asyncio.wrap_future(running)

    return cast("_Method", run)
