"""Kinds of settings that traitlets does not have."""

from __future__ import annotations

import math
import os
from typing import Any

from traitlets import Float, Unicode


class Seconds(Float[float | None, Any]):
    """A finite number of seconds above 0. NaN and infinity, which floats have, are none."""

    info_text = "a number of seconds above 0"

    def validate(self, obj: Any, value: Any) -> float | None:
        """Check a value that is set."""
        seconds = super().validate(obj, value)
        if seconds is not None and not 0 < seconds < math.inf:
            self.error(obj, value)
        return seconds


class EnvironmentText(Unicode[str, Any]):
    """Text whose default is an environment variable, if that is set.

    Args:
        variable: the variable's name.
        default_value: what is in force without it.
    """

    def __init__(self, variable: str, default_value: str = "", **kwargs: Any) -> None:
        super().__init__(default_value, **kwargs)
        self.variable = variable

    def default(self, obj: Any = None) -> str:  # noqa: ARG002
        """The value where nothing is configured, read when it is first asked for."""
        return os.environ.get(self.variable) or str(self.default_value)
