"""The types of the arguments that are paths: here, and in the session."""

from __future__ import annotations

from click.types import StringParamType


class LocalPath(StringParamType):
    """A path or a pattern on the computer that the kernel runs on."""

    name = "path"


class RemotePath(StringParamType):
    """A path or a pattern in the session."""

    name = "path"


LOCAL_PATH = LocalPath()
REMOTE_PATH = RemotePath()
