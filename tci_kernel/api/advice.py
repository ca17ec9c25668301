"""What errors advise who writes a script; their own advice is for who reads a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tci_kernel.core.errors import MissingKey, SessionExpired, TCIError

_ADVICE: Mapping[type[TCIError], str] = {
    MissingKey: "Run 'tci-kernel login', set the environment variable TOGETHER_API_KEY, or give "
    "an `api_key`. With `local=True` there is no need for one.",
    SessionExpired: "What is run next begins a new session.",
}


@contextmanager
def advising() -> Iterator[None]:
    """Have the errors that are raised within it advise who writes a script."""
    try:
        yield
    except TCIError as error:
        error.advice = _ADVICE.get(type(error), error.advice)
        raise
