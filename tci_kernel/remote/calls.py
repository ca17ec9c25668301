"""Runs one of the programs beside this file for the kernel, and prints what it answers.

It is sent as text with each call, in a namespace that holds the program's texts (`SOURCES`), the
arguments of its `main` as JSON (`REQUEST`) and the user's namespace (`USER`). Nothing stays behind
in the session. It may meet any Python from 3.7 on, with IPython or without.

The answer is a JSON object: with a `value`, what `main` returned; or with a `code` and a `text`,
why it failed. The code is that of a `Failure`, the name of an error of the system, such as
`ENOENT`, or `exception` for any other error.
"""

from __future__ import annotations

import errno
import json
from typing import Any

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.printing import say

MODULE = "_tci_kernel_call"

# The code of an error that the program did not raise on purpose.
EXCEPTION = "exception"

# Stand around the answer in what is printed; JSON in ASCII can't contain them.
BEGIN = "\x1etci-kernel:"
END = "\x1e\n"


def run(sources: list[str], request: str) -> dict[str, Any]:
    """The answer of a program: its value, or the error that ended it."""
    namespace: dict[str, Any] = {"__name__": MODULE, "USER": globals()["USER"]}
    try:
        for source in sources:
            exec(compile(source, "<tci-kernel>", "exec"), namespace)  # noqa: S102 - what it is for
        return {"value": namespace["main"](**json.loads(request))}
    except Exception as error:  # noqa: BLE001 - the boundary where an answer must go out
        if isinstance(error, namespace.get("Failure", ())):
            return {"code": error.code, "text": str(error)}
        # Its number may be another one on the kernel's system.
        number = error.errno if isinstance(error, OSError) else None
        code = errno.errorcode.get(number or 0, EXCEPTION)
        return {"code": code, "text": "%s: %s" % (type(error).__name__, error)}


if __name__ == MODULE:
    answer = run(globals()["SOURCES"], globals()["REQUEST"])
    say(BEGIN + json.dumps(answer) + END)
