"""The private directory of a server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tci_kernel.core.errors import ConfigurationError

# Bytes of the path of a server's directory. A Unix socket's may have 107, 103 on macOS, and the
# longest names below it have some 20.
LONGEST_ROOT = 80


def make_root() -> Path:
    """Make a private directory whose path is short enough for Unix sockets below it.

    Raises:
        ConfigurationError: there is no place for it.
    """
    places = [tempfile.gettempdir(), "/tmp", "/dev/shm"]  # noqa: S108 - its name there is random
    fitting = [place for place in places if len(os.fsencode(place)) <= LONGEST_ROOT]
    for place in fitting:
        try:
            return Path(tempfile.mkdtemp(prefix="tci-", dir=place))
        except OSError:
            continue
    raise ConfigurationError(
        "The local server finds no place for its files.",
        advice="Set TMPDIR to a directory that can be written to, with a short path.",
    )
