"""What the server has done in a place that it can't see: by asking the interpreter there."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from tci_kernel.core.errors import RequestRejected
from tci_kernel.core.text import printable
from tci_kernel.remote import calls, loader
from tci_kernel.server import files as request_files
from tci_kernel.server.places.base import QuietRun


async def write(
    directory: str, files: Sequence[tuple[PurePosixPath, bytes]], run: QuietRun
) -> None:
    """Have an interpreter write files, while no code runs: all of them or none.

    Args:
        directory: where, as the interpreter has it.
        files: see `files.decode`.
        run: what it is asked with.

    Raises:
        RequestRejected: one of them can't be written; says which and why.
    """
    if not files:
        return
    texts = [(str(name), base64.b64encode(content).decode()) for name, content in files]
    with suppress(ValueError, LookupError, TypeError, RecursionError):
        said = await call(run, "staging", directory=directory, files=texts)
        if said is None:
            return
        raise request_files.rejection(int(said["number"]), printable(str(said["problem"])))
    raise RequestRejected(
        "The session's interpreter could not write the files of the request.", param="files"
    )


async def call(run: QuietRun, program: str, **arguments: Any) -> Any:
    """Run a program of `remote/` in an interpreter; gives what it returned.

    Raises:
        ValueError, LookupError, TypeError, RecursionError: it did not answer, or what nobody can
            read.
    """
    said = await run(loader.program(program, arguments))
    return json.loads(said.split(calls.BEGIN, 1)[1].split(calls.END, 1)[0])["value"]
